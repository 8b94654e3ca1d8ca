// One prompt with its answers. Everything that models wrote is shown through textContent: never parsed as HTML.
const answers = (() => {
  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  // Control characters as their pictures, so that nothing a model wrote is invisible.
  function visible(text) {
    return text.replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));
  }

  // Long names of instructions may break behind their colons and underscores.
  const breakable = (words) =>
    words.split(/(?<=[:_])/).flatMap((part) => [part, document.createElement("wbr")]);

  const verdict = (right, words) =>
    make("span", right ? "verdict right" : "verdict wrong", right ? "✓ " : "✗ ", ...breakable(words));

  const judged = (one) => one.words ?? (one.right ? "right" : "wrong");

  // What is asked, what the prompted model reads before it, and the gold answer.
  function question(group, prompt, ...tools) {
    const block = make("div", "question", make("h3", "", `${group.task}, prompt ${prompt.id}`));
    if (prompt.differs) block.querySelector("h3").append(" ", make("span", "chip", "conditions differ"));
    if (group.shared) {
      const count = group.shared.length.toLocaleString("en");
      const summary = make("summary", "", `What the prompted model reads before it (${count} characters)`);
      block.append(make("details", "", summary, scrolling("shared", visible(group.shared))));
    }
    block.append(make("pre", "", visible(prompt.question)));
    if (prompt.target) block.append(make("p", "gold", "Gold answer: ", make("code", "", prompt.target)));
    block.append(make("p", "tools", ...tools));
    return block;
  }

  function scrolling(className, ...children) {
    const block = make("pre", className, ...children);
    block.tabIndex = 0;
    return block;
  }

  function card(subject, answer) {
    const name = make("h4", "", subject.name);
    if (!answer) return make("article", "answer", name, make("p", "note", "This prompt was not asked."));
    if (answer.tokens_shaded) return make("article", "answer", name, ...shaded(answer.tokens_shaded));
    name.append(" ", verdict(answer.right, judged(answer)));
    const article = make("article", "answer", name, answer.kept ? constraints(answer) : found(answer));
    const chips = make("p", "chips");
    if (answer.tokens !== null) chips.append(make("span", "chip", `${answer.tokens} tokens`));
    for (const flag of answer.flags) chips.append(" ", make("span", "chip flag", `⚠ ${flag}`));
    article.append(chips, response(answer));
    return article;
  }

  // Tokens by what they lost; in words the darkest ones, for those who do not see the shades.
  function shaded(tokens) {
    const block = scrolling("response");
    for (const [text, level, nats] of tokens) {
      const token = make("span", level ? `shade-${level}` : "", text.replaceAll("\n", "↵\n"));
      token.title = `${nats.toFixed(2)} nats`;
      block.append(token);
    }
    const most = [...tokens].sort((a, b) => b[2] - a[2]).slice(0, 3);
    const words = most.map(([text, , nats]) => `${JSON.stringify(text)} ${nats.toFixed(2)}`).join(", ");
    const mean = tokens.reduce((sum, token) => sum + token[2], 0) / Math.max(1, tokens.length);
    return [block, make("p", "note", `Mean ${mean.toFixed(2)} nats a token; most: ${words}`)];
  }

  // The verdict on each instruction.
  function constraints(answer) {
    const items = answer.kept.map(([id, strict, loose]) => {
      const loosely = !strict && loose ? " (kept in a loose reading)" : "";
      return make("li", "", verdict(strict, id + loosely));
    });
    return make("ul", "constraints", ...items);
  }

  // The answer that the scorer read, where it reads one, and a second metric that says something else.
  function found(answer) {
    const line = make("p", "found");
    if (answer.answer !== undefined) {
      line.append("Extracted: ", answer.answer === null ? "none" : make("code", "", visible(answer.answer)));
    }
    const { second } = answer;
    if (second && (second.right !== answer.right || second.words !== answer.words)) {
      line.append(" ", verdict(second.right, `${second.name}: ${judged(second)}`));
    }
    return line;
  }

  function response(answer) {
    const block = scrolling("response");
    const part = answer.left_out === undefined ? answer.text : answer.tail;
    const at = answer.answer ? part.lastIndexOf(answer.answer) : -1;
    if (answer.left_out !== undefined) {
      const count = answer.left_out.toLocaleString("en");
      block.append(visible(answer.text), make("span", "left-out", `… ${count} characters left out …`));
    }
    if (at < 0) block.append(visible(part) || make("span", "left-out", "(empty)"));
    else {
      const end = at + answer.answer.length;
      block.append(visible(part.slice(0, at)), make("mark", "", visible(answer.answer)), visible(part.slice(end)));
    }
    return block;
  }

  // A row as it is copied.
  function record(group, prompt) {
    const named = group.subjects.map(({ name }, place) => [name, prompt.answers[place]]);
    const { id, question, target } = prompt;
    return JSON.stringify({ task: group.task, id, question, target, answers: Object.fromEntries(named) }, null, 2);
  }

  return { make, visible, question, card, record };
})();

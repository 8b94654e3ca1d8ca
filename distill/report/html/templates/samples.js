// The sample browser. Everything that models wrote is shown through textContent: never parsed as HTML.
(() => {
  const data = document.getElementById("data");
  if (!data) return;
  const groups = JSON.parse(data.textContent);
  const byId = (id) => document.getElementById(id);
  const [list, view, search, differs] = ["prompts", "sample", "search", "differs"].map(byId);
  const prompts = groups.flatMap((group) => group.prompts.map((prompt) => ({ group, prompt })));
  let filters = null;
  let shown = [];
  let current = null;

  for (const item of prompts) {
    const texts = item.prompt.answers.map((answer) => (answer ? answer.text + (answer.tail ?? "") : ""));
    item.text = [item.prompt.id, item.prompt.question, item.prompt.target, ...texts].join("\n").toLowerCase();
  }

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

  // Places of the subjects whose conditions are not filtered out.
  function places(group) {
    const wanted = (subject) => !filters || filters.conditions.has(subject.condition);
    return group.subjects.flatMap((subject, place) => (wanted(subject) ? [place] : []));
  }

  function apply() {
    const words = search.value.trim().toLowerCase();
    const fits = ({ group, prompt, text }) =>
      (!filters?.task || group.task === filters.task || group.task.startsWith(`${filters.task}, `)) &&
      (!differs.checked || prompt.differs) &&
      (!words || text.includes(words));
    shown = prompts.filter(fits);
    list.replaceChildren(...shown.map(listItem));
    show(shown.includes(current) ? current : shown[0]);
  }

  function listItem(item) {
    const marks = make("span", "marks");
    for (const place of places(item.group)) {
      const answer = item.prompt.answers[place];
      if (answer) marks.append(make("span", answer.right ? "right" : "wrong", answer.right ? "✓" : "✗"));
    }
    marks.setAttribute("aria-hidden", "true");
    const { question } = item.prompt;
    const snippet = visible(question.length > 90 ? `${question.slice(0, 88)}…` : question);
    const button = make("button", "", make("small", "", item.group.task, " ", marks), snippet);
    button.type = "button";
    button.addEventListener("click", () => show(item));
    item.button = button;
    return make("li", "", button);
  }

  function show(item) {
    current = item;
    byId("place").textContent = item ? `${shown.indexOf(item) + 1} of ${shown.length}` : "no prompt fits";
    for (const other of shown) other.button.toggleAttribute("aria-current", other === item);
    if (!item) return view.replaceChildren();
    const { group, prompt } = item;
    // Scrolls the list alone, not the page.
    list.scrollTop = item.button.offsetTop - list.offsetTop - list.clientHeight / 3;
    const question = make("div", "question", make("h3", "", `${group.task}, prompt ${prompt.id}`));
    if (prompt.differs) question.querySelector("h3").append(" ", make("span", "chip", "conditions differ"));
    question.append(make("pre", "", visible(prompt.question)));
    if (prompt.target) question.append(make("p", "gold", "Gold answer: ", make("code", "", prompt.target)));
    const answers = make("div", "answers", ...places(group).map((place) => card(group, prompt, place)));
    view.replaceChildren(question, answers);
  }

  function card(group, prompt, place) {
    const answer = prompt.answers[place];
    const name = make("h4", "", group.subjects[place].name);
    if (!answer) return make("article", "answer", name, make("p", "note", "This prompt was not asked."));
    name.append(" ", verdict(answer.right, answer.words ?? (answer.right ? "right" : "wrong")));
    const article = make("article", "answer", name, answer.kept ? constraints(answer) : found(answer));
    const chips = make("p", "chips");
    if (answer.tokens !== null) chips.append(make("span", "chip", `${answer.tokens} tokens`));
    for (const flag of answer.flags) chips.append(" ", make("span", "chip flag", `⚠ ${flag}`));
    article.append(chips, response(answer));
    return article;
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
      line.append(" ", verdict(second.right, `${second.name}: ${second.words ?? (second.right ? "right" : "wrong")}`));
    }
    return line;
  }

  function response(answer) {
    const block = make("pre", "response");
    block.tabIndex = 0;
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

  function step(by) {
    const next = shown[shown.indexOf(current) + by];
    if (next) show(next);
  }

  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  search.addEventListener("input", apply);
  differs.addEventListener("change", apply);
  document.addEventListener("filter", (event) => {
    filters = event.detail;
    apply();
  });
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, select, textarea, .scroll, .response, .warnings");
    if (busy || event.ctrlKey || event.altKey || event.metaKey) return;
    const by = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
    if (by) step(by);
  });
  apply();
})();

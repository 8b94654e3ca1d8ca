// The sample browser: which prompts are shown, and where one is.
(() => {
  const data = document.getElementById("data");
  if (!data) return;
  const { make, visible } = answers;
  const groups = JSON.parse(data.textContent);
  const byId = (id) => document.getElementById(id);
  const [list, view, search, which] = ["prompts", "sample", "search", "which"].map(byId);
  const prompts = groups.flatMap((group) => group.prompts.map((prompt) => ({ group, prompt })));
  let filters = null;
  let shown = [];
  let current = null;

  // Half a surrogate pair, which JSON can carry, has no place in an address.
  const part = (text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));

  for (const item of prompts) {
    const texts = item.prompt.answers.map((answer) => (answer ? answer.text + (answer.tail ?? "") : ""));
    item.text = [item.prompt.id, item.prompt.question, item.prompt.target, ...texts].join("\n").toLowerCase();
    item.link = `#sample=${part(item.group.task)}/${part(item.prompt.id)}`;
  }

  // Places of the subjects whose conditions are not filtered out.
  function places(group) {
    const wanted = (subject) => !filters || filters.conditions.has(subject.condition);
    return group.subjects.flatMap((subject, place) => (wanted(subject) ? [place] : []));
  }

  // Whether any subject of a role is right, or wrong.
  function is(right, role, { group, prompt }) {
    const of = (place) => group.subjects[place].role === role && prompt.answers[place]?.right === right;
    return places(group).some(of);
  }

  const kinds = {
    "": () => true,
    differs: ({ prompt }) => prompt.differs,
    lost: (item) => is(true, "prompt", item) && is(false, "baked", item),
    won: (item) => is(false, "prompt", item) && is(true, "baked", item),
    tokens: ({ group }) => group.subjects[0].role === "tokens",
  };

  function apply() {
    const words = search.value.trim().toLowerCase();
    const fits = (item) =>
      (!filters?.task || item.group.task === filters.task || item.group.task.startsWith(`${filters.task}, `)) &&
      kinds[which.value](item) &&
      (!words || item.text.includes(words));
    shown = prompts.filter(fits);
    list.replaceChildren(...shown.map(listItem));
    show(shown.includes(current) ? current : shown[0]);
  }

  function listItem(item) {
    const marks = make("span", "marks");
    for (const place of places(item.group)) {
      const right = item.prompt.answers[place]?.right;
      if (right !== undefined) marks.append(make("span", right ? "right" : "wrong", right ? "✓" : "✗"));
    }
    marks.setAttribute("aria-hidden", "true");
    const { question } = item.prompt;
    const snippet = visible(question.length > 90 ? `${question.slice(0, 88)}…` : question);
    const button = make("button", "", make("small", "", item.group.of ?? item.group.task, " ", marks), snippet);
    button.type = "button";
    button.addEventListener("click", () => go(item));
    item.button = button;
    return make("li", "", button);
  }

  function show(item) {
    current = item;
    byId("place").textContent = item ? `${shown.indexOf(item) + 1} of ${shown.length}` : "no prompt fits";
    for (const { button } of shown) button.removeAttribute("aria-current");
    item?.button.setAttribute("aria-current", "true");
    if (!item) return view.replaceChildren();
    const { group, prompt } = item;
    // Scrolls the list alone, not the page.
    list.scrollTop = item.button.offsetTop - list.offsetTop - list.clientHeight / 3;
    const cards = places(group).map((place) => answers.card(group.subjects[place], prompt.answers[place]));
    view.replaceChildren(answers.question(group, prompt, ...tools(item)), make("div", "answers", ...cards));
  }

  // Shows a prompt that the reader chose: the address leads to it from now on.
  function go(item) {
    show(item);
    history.replaceState(null, "", item.link);
  }

  function tools(item) {
    const link = make("a", "", "Link to this row");
    link.href = item.link;
    const copy = make("button", "", "Copy as JSON");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      const text = answers.record(item.group, item.prompt);
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
      } catch {
        // No clipboard for this page: the text to copy by hand.
        const area = make("textarea", "", text);
        area.setAttribute("aria-label", "This row as JSON");
        copy.replaceWith(area);
        area.select();
      }
    });
    return [link, copy];
  }

  // A link to a row shows it whatever the filters say.
  function follow() {
    const item = prompts.find(({ link }) => link === location.hash);
    if (!item) return;
    search.value = which.value = "";
    apply();
    if (!shown.includes(item)) return;
    show(item);
    byId("samples").scrollIntoView();
  }

  function step(by) {
    const next = shown[shown.indexOf(current) + by];
    if (next) go(next);
  }

  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  search.addEventListener("input", apply);
  which.addEventListener("change", apply);
  window.addEventListener("hashchange", follow);
  document.addEventListener("filter", (event) => {
    filters = event.detail;
    apply();
  });
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, select, textarea, .scroll, .response, .shared, .warnings");
    if (busy || event.ctrlKey || event.altKey || event.metaKey) return;
    const by = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
    if (by) step(by);
  });
  apply();
  follow();
})();

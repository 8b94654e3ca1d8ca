"use strict";

// Sorting and filtering of the leaderboard. Other parts of the page hear of a filter by the event "filter".
(() => {
  const table = document.getElementById("results");
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const task = document.getElementById("task");
  const every = document.getElementById("every");
  const boxes = [...document.querySelectorAll("input[name=condition]")];

  function compare(column, kind) {
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    if (kind !== "text") return (a, b) => Number(value(a)) - Number(value(b));
    return (a, b) => value(a).localeCompare(value(b), "en", { numeric: true });
  }

  function sort(header) {
    const column = headers.indexOf(header);
    const { kind } = header.querySelector("button").dataset;
    // A number is first wanted with the best on top, a name from A on.
    const first = kind !== "text" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = header.getAttribute("aria-sort") === first ? second : first;
    for (const other of headers) other.setAttribute("aria-sort", other === header ? order : "none");
    const rows = [...body.rows].sort(compare(column, kind));
    if (order === "descending") rows.reverse();
    body.append(...rows);
  }

  function filter() {
    const conditions = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of body.rows) {
      const fits = !task.value || row.dataset.task === task.value;
      const step = !every || every.checked || "last" in row.dataset;
      row.hidden = !(fits && step && conditions.has(row.dataset.condition));
      shown += !row.hidden;
    }
    document.getElementById("count").textContent = `${shown} of ${body.rows.length} results`;
    document.dispatchEvent(new CustomEvent("filter", { detail: { task: task.value, conditions } }));
  }

  for (const header of headers) header.querySelector("button").addEventListener("click", () => sort(header));
  document.getElementById("filters").addEventListener("change", filter);
  // A reloaded page keeps its form's values.
  window.addEventListener("pageshow", filter);
})();

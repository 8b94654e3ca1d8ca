// What is folded opens for a link that leads into it, and on paper.
(() => {
  function unfold() {
    const target = document.getElementById(location.hash.slice(1));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target?.id === "warnings") for (const one of target.querySelectorAll("details")) one.open = true;
  }

  let opened = [];
  window.addEventListener("hashchange", unfold);
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  unfold();
})();

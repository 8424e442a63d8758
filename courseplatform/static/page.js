// The few things that HTML and htmx cannot do alone. No inline handlers: the page's policy forbids them.
"use strict";

// Keep the newest line of a live region in view while the reader is at its end.
document.addEventListener("htmx:afterSwap", (event) => {
  const box = event.target.closest("[data-follow]");
  if (box) box.scrollTop = box.scrollHeight;
});

// Destructive forms ask first; where only one of a form's buttons destroys, that button does.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A table that is wider than the page can be scrolled by keyboard, also where nothing in it can be reached.
function reachWideTables() {
  for (const box of document.querySelectorAll(".scroll")) {
    const reachable = box.querySelector("a[href], button, input, select, textarea, summary");
    if (box.scrollWidth > box.clientWidth && !reachable) box.tabIndex = 0;
  }
}
document.addEventListener("DOMContentLoaded", reachWideTables);
document.addEventListener("htmx:afterSettle", reachWideTables);
window.addEventListener("resize", reachWideTables);

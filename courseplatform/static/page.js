// The few things that HTML and htmx cannot do alone. No inline handlers: the page's policy forbids them.
"use strict";

// Keep the newest line of a live region in view while the reader is at its end.
document.addEventListener("htmx:afterSwap", (event) => {
  const box = event.target.closest("[data-follow]");
  if (box) box.scrollTop = box.scrollHeight;
});

// Destructive forms ask first.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

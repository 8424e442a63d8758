// Chat and grading: keys and the clipboard. Everything here also works without it, with a click more.
"use strict";

// Enter sends, Shift+Enter makes a new line.
document.addEventListener("keydown", (event) => {
  const box = event.target;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !box.matches("[data-send-on-enter]")) return;
  event.preventDefault();
  if (box.value.trim()) box.form.requestSubmit();
});

// Copy buttons show themselves where there is a clipboard.
const showCopyButtons = () => {
  if (navigator.clipboard) document.querySelectorAll("[data-copy][hidden]").forEach((button) => (button.hidden = false));
};
document.addEventListener("DOMContentLoaded", showCopyButtons);
document.addEventListener("htmx:afterSettle", showCopyButtons);
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.closest(".turn").querySelector("[data-answer]").textContent);
  button.textContent = "Copied";
});

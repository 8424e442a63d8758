// What she has opened to write in stays open, and keeps the focus and the caret, while the part of the page around it
// is rendered anew.
"use strict";

(() => {
  const OPENED = ".own-tag[open] > summary, .better[open] > summary";
  let inUse = { opened: [] };

  const keepInUse = () => {
    const box = document.activeElement;
    inUse = { box, caret: [box.selectionStart, box.selectionEnd] };
    inUse.opened = [...document.querySelectorAll(OPENED)].map((summary) => summary.id);
  };
  const asItWas = () => {
    inUse.opened.forEach((id) => {
      const again = document.getElementById(id);
      if (again) again.parentElement.open = true;
    });
    const { box, caret } = inUse;
    const lost = box && box.id && !box.isConnected && document.activeElement === document.body;
    const again = lost && document.getElementById(box.id);
    if (!again) return;
    again.focus({ preventScroll: true });
    if (typeof caret[0] === "number") again.setSelectionRange(...caret);
  };
  document.addEventListener("htmx:beforeSwap", keepInUse);
  document.addEventListener("htmx:afterSwap", asItWas);
  document.addEventListener("htmx:afterSettle", () => {
    asItWas(); // settling takes away what was set since the swap
    inUse = { opened: [] };
  });
})();

// Deciding on drafted rows by keyboard: A accepts, R rejects, E edits, J and K go on and back.
// Without this script the buttons and the tab key do the same.
"use strict";

function openRows() {
  return [...document.querySelectorAll(".drafted[data-open]")];
}

function current() {
  return document.activeElement?.closest?.(".drafted");
}

function go(row) {
  if (!row) return;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function neighbour(step) {
  const rows = [...document.querySelectorAll(".drafted")];
  return rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(current()) + step))];
}

document.addEventListener("keydown", (event) => {
  if (event.target.closest("textarea, input, select")) {
    if (event.key === "Escape" && current()) go(current());
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = current() || openRows()[0];
  const press = { a: "accept", r: "reject" }[event.key.toLowerCase()];
  if (press && row) {
    event.preventDefault();
    row.querySelector(`button[value="${press}"]`)?.click();
  } else if (event.key.toLowerCase() === "e" && row) {
    event.preventDefault();
    row.querySelector('textarea[name="answer"]')?.focus();
  } else if (event.key.toLowerCase() === "j") {
    go(current() ? neighbour(1) : openRows()[0]);
  } else if (event.key.toLowerCase() === "k") {
    go(neighbour(-1));
  }
});

// After a decision the next open row is at hand, also for who listens to the page.
document.addEventListener("htmx:afterSwap", (event) => {
  const place = event.detail.elt?.closest?.(".drafted") || event.target.closest?.(".drafted");
  const rows = openRows();
  if (!place || place.dataset.open !== undefined || !rows.length) return;
  go(rows.find((row) => place.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING) || rows[0]);
});

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

// On a phone a table that is wider than the page becomes a list: each cell under the name of its column. What can't be
// told apart so (cells over several columns) is scrolled, by keyboard too where nothing in it can be reached.
const phone = window.matchMedia("(max-width: 40rem)");

function columnNames(table) {
  const heads = table.tHead?.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
  const cells = [...table.tBodies].flatMap((body) => [...body.rows].flatMap((row) => [...row.cells]));
  if (!heads.length || [...heads, ...cells].some((cell) => cell.rowSpan > 1)) return [];
  if (heads.some((cell) => cell.colSpan > 1)) return [];
  return heads.map((cell) => cell.textContent.trim());
}

function stack(table) {
  const names = columnNames(table);
  if (!names.length) return;
  table.setAttribute("role", "table");
  table.classList.add("stacked-table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) {
      const head = cell.closest("thead");
      cell.setAttribute("role", head ? "columnheader" : cell.tagName === "TH" ? "rowheader" : "cell");
      const name = names[cell.cellIndex];
      if (!head && name && cell.colSpan === 1 && (cell.textContent.trim() || cell.childElementCount)) {
        cell.dataset.column = name;
      }
    }
  }
}

function fitTables() {
  for (const box of document.querySelectorAll(".scroll")) {
    if (phone.matches && box.scrollWidth > box.clientWidth) box.querySelectorAll("table").forEach(stack);
    if (!phone.matches) box.querySelectorAll(".stacked-table").forEach((one) => one.classList.remove("stacked-table"));
    const reachable = box.querySelector("a[href], button, input, select, textarea, summary");
    if (box.scrollWidth > box.clientWidth && !reachable) box.tabIndex = 0;
  }
}
document.addEventListener("DOMContentLoaded", fitTables);
document.addEventListener("htmx:afterSettle", fitTables);
document.addEventListener("toggle", fitTables, true);
window.addEventListener("resize", fitTables);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print-page]")) window.print();
});

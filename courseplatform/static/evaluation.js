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
  if (navigator.clipboard)
    document.querySelectorAll("[data-copy][hidden]").forEach((button) => (button.hidden = false));
};
document.addEventListener("DOMContentLoaded", showCopyButtons);
document.addEventListener("htmx:afterSettle", showCopyButtons);
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.closest(".turn").querySelector("[data-answer]").textContent);
  button.textContent = "Copied";
});

// Printing, and with it "Save as PDF", needs a script; the browser's own menu does it too.
document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll("[data-print]").forEach((button) => (button.hidden = false)),
);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// Grading from the keyboard. Keys do nothing while one is writing. One criterion is open at a time: that is the one
// that digits and the comment key are about, wherever the focus is.
const criteria = () => [...document.querySelectorAll("[data-criterion]")];
const currentCriterion = () => {
  const near = document.activeElement && document.activeElement.closest("[data-criterion]");
  return near || document.querySelector("[data-criterion][open]");
};
const goTo = (element) => {
  if (!element) return;
  if (window.showPane) showPane("rubric");
  if (element.matches("details")) element.open = true;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
};
const step = (by) => {
  const all = criteria();
  const near = document.activeElement && document.activeElement.closest("[data-criterion]");
  if (!near) return goTo(currentCriterion() || all[by > 0 ? 0 : all.length - 1]);
  const at = all.indexOf(near);
  goTo(all[Math.min(all.length - 1, Math.max(0, at + by))]);
};
const choose = (value) => {
  const here = currentCriterion();
  const radio = here && here.querySelector(`.anchors input[type=radio][value="${value}"]`);
  if (!radio || radio.disabled || radio.matches("fieldset:disabled *")) return;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
};
const lastAnswer = (part) => [...document.querySelectorAll(`[data-interview] ${part}`)].pop();
const toInterview = () => {
  if (window.showPane) showPane("interview");
};
const openPart = (part) => {
  toInterview();
  const near = document.activeElement && document.activeElement.closest("[data-interview] .exchange");
  const here = (near && near.querySelector(part)) || lastAnswer(part);
  if (!here) return;
  here.open = true;
  here.querySelector("input:not([type=hidden]), textarea").focus();
};
// At the tags of an answer digits put the first, second… tag on or off; elsewhere they choose a level.
const digit = (value) => {
  const tags = document.activeElement && document.activeElement.closest(".tags");
  if (!tags) return choose(value);
  const button = tags.querySelectorAll("button")[value - 1];
  if (button) {
    button.focus();
    button.click();
  }
};
const keys = {
  n: () => step(1),
  p: () => step(-1),
  0: () => choose("cannot"),
  c: () => {
    const here = currentCriterion();
    if (here) {
      goTo(here);
      here.querySelector("textarea").focus();
    }
  },
  t: () => {
    toInterview();
    const here = lastAnswer(".tags");
    if (here) here.querySelector("button").focus();
  },
  o: () => openPart(".own-tag"),
  b: () => openPart(".better"),
  a: () => {
    toInterview();
    const box = document.getElementById("question");
    if (box) box.focus();
  },
  s: () => {
    const button = document.querySelector("#commit button");
    if (button) button.focus();
  },
  "?": () => document.getElementById("keys").showModal(),
};
// Esc leaves every box; the focus stays beside what was left.
const leave = (target) => {
  const part = target.closest(".own-tag, .better, .prompts details, .library");
  if (part) {
    part.querySelector("summary").focus();
    part.open = false;
    return;
  }
  if (target.closest("dialog") || !target.matches("textarea, input, select")) return;
  const criterion = target.closest("[data-criterion]");
  if (criterion) return goTo(criterion);
  const near = target.closest("[data-interview]");
  const button = near && (near.querySelector("#ask button") || near.querySelector("button, a"));
  if (button) button.focus();
};
document.addEventListener("keydown", (event) => {
  if (!criteria().length || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return void leave(event.target);
  if (event.target.matches("textarea, select, input:not([type=radio])")) return;
  const act = /^[1-9]$/.test(event.key) ? () => digit(event.key) : keys[event.key];
  if (!act || (event.target.matches("input[type=radio]") && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});

// Answers to two saves may come in the wrong order: the grade goes in with the newest state that this page has been
// told.
let newest = 0;
const keepNewest = () => {
  const told = document.querySelector("input[form=commit][name=version]");
  if (told) told.value = newest = Math.max(newest, Number(told.value));
};
document.addEventListener("DOMContentLoaded", keepNewest);
document.addEventListener("htmx:oobAfterSwap", keepNewest);

// Who writes a comment and presses "Submit grade" at once must not race with her own autosave: the grade goes in
// after it.
const saving = () => drafts.unsaved().length > 0 || document.querySelector(".rubric form.htmx-request") !== null;
document.addEventListener("submit", (event) => {
  if (event.target.id !== "commit" || !saving()) return;
  event.preventDefault();
  drafts.saveAll();
  const form = event.target;
  const whenSaved = () => (saving() ? setTimeout(whenSaved, 50) : form.requestSubmit());
  setTimeout(whenSaved, 50);
});

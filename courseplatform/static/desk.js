// The grading desk: one criterion open at a time, the chat at its newest answer, prompts, panes of a small screen.
"use strict";

const panes = document.getElementById("panes");
window.showPane = (name) => {
  panes.dataset.show = name;
  document.querySelectorAll("[data-pane]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.pane === name));
  });
};
document.querySelectorAll("[data-pane]").forEach((button) => {
  button.addEventListener("click", () => window.showPane(button.dataset.pane));
});
document.querySelector(".pane-tabs").hidden = false;
window.showPane("interview");

// What only works with this script shows itself now.
document.querySelectorAll(".prompts, [data-keys]").forEach((part) => {
  part.hidden = false;
});
document.querySelectorAll("[data-keys]").forEach((button) => {
  button.addEventListener("click", () => document.getElementById("keys").showModal());
});

// The level that is chosen stands beside a criterion's name, open or not.
const showChosen = (criterion) => {
  const said = criterion.querySelector("[data-chosen]");
  if (!said) return;
  const chosen = criterion.querySelector("input[name=level]:checked");
  const label = chosen && chosen.closest("label");
  const words = label && (label.querySelector("strong") || label.querySelector("span")).textContent;
  said.textContent = words || "no level yet";
  said.toggleAttribute("data-done", Boolean(words));
};
const showAllChosen = () => document.querySelectorAll("[data-criterion]").forEach(showChosen);
document.addEventListener("change", (event) => {
  const criterion = event.target.closest("[data-criterion]");
  if (criterion) showChosen(criterion);
});
document.addEventListener("htmx:afterSettle", showAllChosen);
document.addEventListener("DOMContentLoaded", () => setTimeout(showAllChosen, 100)); // after drafts were put back
showAllChosen();

// Two windows saved different marks: what came in place of a criterion asks which counts. It came while the old one was
// still open, and of two open ones with one name the browser closes the newer.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const swapped = event.detail.target && document.getElementById(event.detail.target.id);
  if (swapped && swapped.matches("[data-criterion]")) swapped.open = true;
});

// A link to a criterion opens it.
const openLinked = () => {
  const linked = location.hash && document.getElementById(location.hash.slice(1));
  if (!linked || !linked.matches("[data-criterion]")) return;
  window.showPane("rubric");
  linked.open = true;
  linked.focus({ preventScroll: true });
  linked.scrollIntoView({ block: "nearest" });
};
window.addEventListener("hashchange", openLinked);
openLinked();

// A prompt goes into the ask box, to be sent as it is or changed.
document.addEventListener("click", (event) => {
  const prompt = event.target.closest("[data-prompt]");
  const box = document.getElementById("question");
  if (!prompt || !box) return;
  const list = prompt.closest("details");
  if (list) list.open = false;
  box.value = prompt.dataset.prompt;
  box.focus();
  box.dispatchEvent(new Event("input", { bubbles: true }));
});
// One of her earlier comments is put at the end of this one.
document.addEventListener("click", (event) => {
  const earlier = event.target.closest("[data-insert]");
  if (!earlier) return;
  const box = document.getElementById(earlier.dataset.insert);
  box.value = [box.value.trim(), earlier.textContent.trim()].filter(Boolean).join("\n");
  earlier.closest("details").open = false;
  box.focus();
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.dispatchEvent(new Event("change", { bubbles: true }));
});

// The newest answer is in view, unless she scrolled up to read.
const NEAR_PX = 80;
let following = true;
const toTheEnd = () => {
  const chat = document.querySelector("#talk > .chat");
  if (chat && following) chat.scrollTop = chat.scrollHeight;
};
document.addEventListener(
  "scroll",
  (event) => {
    if (!event.target.matches || !event.target.matches("#talk > .chat")) return;
    following = event.target.scrollHeight - event.target.scrollTop - event.target.clientHeight < NEAR_PX;
  },
  true,
);
const interview = document.querySelector("[data-interview]");
new MutationObserver(toTheEnd).observe(interview, { childList: true, subtree: true, characterData: true });
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "ask") following = true;
});
toTheEnd();

// Where the part of the page that had the focus is replaced, the focus stays at its answer, or goes to the ask box.
// What is swapped beside it (evidence, reading) settles first and decides nothing.
document.addEventListener("htmx:afterSettle", (event) => {
  const settled = event.target;
  if (document.activeElement !== document.body || !settled.matches("#talk, .exchange")) return;
  const near = settled.matches(".exchange") && settled.querySelector(".own-tag summary");
  const box = near || document.getElementById("question");
  if (box && panes.dataset.show === "interview") box.focus({ preventScroll: true });
});

// Half a minute to take a submission back; then the offer goes.
const undo = document.querySelector("[data-undo]");
if (undo) setTimeout(() => undo.remove(), 30_000);

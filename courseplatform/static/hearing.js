// A presentation: the clock, and the time at which each line of the notes was begun. Both go on without a connection,
// and the clock also after the page was closed: it is kept on this device.
"use strict";

(() => {
  const clock = document.querySelector("[data-clock]");
  const SECOND_MS = 1000,
    MINUTE_S = 60,
    CALL_S = 120; // two minutes before the end it says so
  const STAMP = /^\d+:\d\d /;
  const key = `clock ${document.body.dataset.person} ${location.pathname}`;

  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(key)) || { before: 0, since: null };
    } catch {
      return { before: 0, since: null };
    }
  };
  const keep = (state) => {
    try {
      localStorage.setItem(key, JSON.stringify(state));
    } catch {
      /* it runs in this window only */
    }
  };
  let state = read(); // before: seconds of earlier stretches; since: when it was started, or null while it stands

  const seconds = () => state.before + (state.since === null ? 0 : Math.floor((Date.now() - state.since) / SECOND_MS));
  const two = (number) => String(number).padStart(2, "0");
  const spoken = (total) => `${Math.floor(total / MINUTE_S)}:${two(total % MINUTE_S)}`;

  // The clock --------------------------------------------------------------------------------------------------------

  const show = () => {
    const now = seconds(),
      whole = Number(clock.dataset.minutes) * MINUTE_S;
    clock.querySelector("[data-shown]").textContent = spoken(now);
    clock.querySelector("[data-run]").textContent = state.since !== null ? "Stop" : now ? "Go on" : "Start the clock";
    clock.toggleAttribute("data-late", now >= whole);
    const said = now >= whole ? "The time is over." : now >= whole - CALL_S ? "Two minutes are left." : "";
    const called = clock.querySelector("[data-called]");
    if (state.since !== null && called.textContent !== said) called.textContent = said;
  };
  const change = (next) => {
    state = next;
    keep(state);
    show();
  };
  clock.querySelector("[data-run]").addEventListener("click", () => {
    change(state.since === null ? { before: state.before, since: Date.now() } : { before: seconds(), since: null });
  });
  clock.querySelector("[data-reset]").addEventListener("click", () => change({ before: 0, since: null }));
  window.addEventListener("storage", (event) => {
    if (event.key === key) {
      state = read();
      show();
    }
  });
  clock.hidden = false;
  show();
  setInterval(show, SECOND_MS);

  // Notes ------------------------------------------------------------------------------------------------------------

  // While the clock has not been started: the time of day.
  const stamp = () => {
    if (state.since !== null || state.before) return `${spoken(seconds())} `;
    const now = new Date();
    return `${now.getHours()}:${two(now.getMinutes())} `;
  };
  const lineOf = (text, at) => {
    const from = text.lastIndexOf("\n", at - 1) + 1;
    const to = text.indexOf("\n", at);
    return { from, text: text.slice(from, to === -1 ? text.length : to) };
  };
  const emptyBefore = new WeakMap(); // whether the line in which one now writes was empty a key ago
  document.addEventListener(
    "beforeinput",
    (event) => {
      if (!event.target.matches("[data-stamped]") || event.isComposing) return;
      const line = lineOf(event.target.value, event.target.selectionStart);
      emptyBefore.set(event.target, line.text === "");
    },
    true,
  );
  // Before drafts.js looks at it: what is kept and sent has the time in it.
  const put = (event) => {
    const box = event.target;
    if (!box.matches("[data-stamped]") || event.isComposing || !emptyBefore.get(box)) return;
    const at = box.selectionStart,
      line = lineOf(box.value, at);
    if (!line.text.trim() || STAMP.test(line.text)) return;
    const time = stamp();
    box.value = box.value.slice(0, line.from) + time + box.value.slice(line.from);
    box.setSelectionRange(at + time.length, at + time.length);
    emptyBefore.set(box, false);
  };
  document.addEventListener("input", put, true);
  document.addEventListener("compositionend", put, true);
})();

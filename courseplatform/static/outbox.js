// Clicks that count: a tag put on an answer or taken off. Each is an entry on this device until the server has said,
// by the header `Saved`, that it has it. An entry says what is wanted, so that one which arrives twice does what one
// does.
"use strict";

(() => {
  const { drafts } = window;
  if (!drafts) return;

  const RETRY_MS = 4000;
  let entries = []; // {key, url, fields, target, at, refused}, oldest first
  let sending = false;

  const add = (entry) => {
    const earlier = entries.filter(
      (one) => one.url === entry.url && one.fields.label === entry.fields.label && !one.underWay,
    );
    earlier.forEach(remove); // what she wanted of this tag before
    const name = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
    const kept = { ...entry, key: `sent ${drafts.page} ${name} ${drafts.here}` };
    drafts.keep(kept.key, kept);
    entries.push(kept);
  };
  const remove = (entry) => {
    entries = entries.filter((one) => one !== entry);
    drafts.drop(entry.key);
  };

  // The buttons show what is wanted, also while that is on its way.
  const showWanted = () =>
    entries.forEach(({ target, fields }) => {
      const article = document.getElementById(target);
      const buttons = article ? [...article.querySelectorAll(".tags button")] : [];
      const button = buttons.find((one) => one.value === fields.label);
      if (button) button.setAttribute("aria-pressed", String(fields.on === "1"));
    });

  // Only the tags and what stands beside the criteria: she may be writing at this answer, and a save of that may have
  // come since this was rendered.
  const swapIn = (target, html) => {
    const tags = document.querySelector(`#${target} .tags`);
    if (!tags || !window.htmx) return;
    htmx.swap(tags, html, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 }, { select: ".tags" });
    showWanted();
  };
  const token = () => document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const options = (entry) => ({
    method: "POST",
    body: new URLSearchParams({ ...entry.fields, csrfmiddlewaretoken: token() }),
    headers: { "HX-Request": "true" },
    keepalive: true,
  });
  // The status: 0 for no answer, and 403 for a page that came in place of one (the sign-in page, after a redirect).
  const post = async (entry) => {
    try {
      const answer = await fetch(entry.url, options(entry));
      const html = await answer.text();
      if (!answer.ok) return answer.status;
      if (answer.headers.get("Saved") !== "tag") return 403;
      remove(entry);
      swapIn(entry.target, html);
      return answer.status;
    } catch {
      return 0;
    }
  };
  // One after the other, as they were pressed.
  const pump = async () => {
    if (sending) return;
    sending = true;
    for (let entry = next(); entry; entry = next()) {
      entry.underWay = true;
      const status = await post(entry);
      entry.underWay = false;
      if (!entries.includes(entry)) {
        drafts.arrived("tags");
        continue;
      }
      drafts.failed("tags", status);
      if (status === 0 || status === 403 || status >= 500) break;
      entry.refused = true; // the bot or the answer is gone
    }
    sending = false;
    drafts.show();
  };
  const next = () => entries.find((entry) => !entry.refused);

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-outbox]");
    if (!form || !event.submitter) return;
    event.preventDefault();
    const { csrfmiddlewaretoken, ...fields } = Object.fromEntries(new FormData(form, event.submitter));
    const pressed = event.submitter.getAttribute("aria-pressed") === "true";
    fields.label = fields.label.trim().toLowerCase().split(/\s+/).join(" ");
    fields.on = pressed ? "0" : "1";
    add({ url: form.action, fields, target: form.dataset.outbox, at: Date.now() });
    if (form.dataset.keep) {
      drafts.forget(form.dataset.keep);
      form.reset();
    }
    showWanted();
    drafts.show();
    pump();
  });

  const takeOver = async () => {
    const left = await drafts.abandoned("sent");
    for (const entry of left.reverse()) {
      drafts.drop(entry.key);
      add({ url: entry.url, fields: entry.fields, target: entry.target, at: entry.at });
    }
    showWanted();
    pump();
  };

  drafts.outboxes.push(() => entries.filter((entry) => !entry.refused));
  document.addEventListener("DOMContentLoaded", () => setTimeout(takeOver));
  document.addEventListener("drafts:go-on", pump);
  document.addEventListener("htmx:afterSettle", showWanted);
  window.addEventListener("pagehide", () =>
    entries.forEach((entry) => fetch(entry.url, options(entry)).catch(() => {})),
  );
  setInterval(pump, RETRY_MS);
})();

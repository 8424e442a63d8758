// Nothing written is lost. What is entered in a form marked data-keep stays on this device until the server has said, by
// the form's name in the header `Saved`, that it stored it. Any other answer (another page, a refusal, none) is no save.
"use strict";

(() => {
const person = document.body.dataset.person;
if (!person) return;

const SAVE_EVERY_MS = 2000; // of steady typing; at most so much is not yet on the server
const RETRY_MS = 4000;
const MOST_UNSURE = 20;
const OWN_FIELDS = new Set(["csrfmiddlewaretoken", "version", "before"]);
const page = `${person}${location.pathname}`;
const here = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

// This window is alive while it holds a lock; drafts of windows that are not are taken over.
if (navigator.locks) navigator.locks.request(`draft-${here}`, () => new Promise(() => {}));

const known = new Map(); // by form name: what the server has
const unsure = new Map(); // by form name: what was sent and never answered; the server may have it
const failures = new Map(); // by form name, or "action": why it is not saved
const timers = new Map();

const forms = () => [...document.querySelectorAll("form[data-keep]")];
const find = (name) => document.querySelector(`form[data-keep="${CSS.escape(name)}"]`);
const values = (form) => Object.fromEntries([...new FormData(form)].filter(([name]) => !OWN_FIELDS.has(name)));
const same = (one, other) => {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => (one[name] || "") === (other[name] || ""));
};
const version = (form) => (form.elements.version ? form.elements.version.value : "");
const asRendered = (form) => {
  const copy = form.cloneNode(true);
  copy.reset();
  return values(copy);
};
const dirty = (form) => !same(values(form), known.get(form.dataset.keep) || {});
const closed = (form) => form.querySelector("fieldset:disabled") !== null;

// Drafts on this device ----------------------------------------------------------------------------------------------

const keyOf = (name, owner = here) => `draft ${page} ${name} ${owner}`;
const write = (form) => {
  const name = form.dataset.keep;
  const draft = { values: values(form), base: version(form), unsure: unsure.get(name) || [], at: Date.now() };
  try { localStorage.setItem(keyOf(name), JSON.stringify(draft)); } catch { failures.set("device", "full"); }
};
const forget = (name) => localStorage.removeItem(keyOf(name));
const abandoned = async () => {
  const held = navigator.locks ? (await navigator.locks.query()).held : [];
  const alive = new Set(held.map((lock) => lock.name.replace("draft-", "")));
  const found = [];
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(`draft ${page} `)) continue;
    const [name, owner] = key.slice(`draft ${page} `.length).split(" ");
    if (owner !== here && !alive.has(owner)) found.push({ key, name, ...JSON.parse(localStorage.getItem(key)) });
  }
  return found.sort((one, other) => other.at - one.at);
};

// Saving -------------------------------------------------------------------------------------------------------------

const schedule = (form, delay) => {
  const name = form.dataset.keep;
  if (timers.has(name) && delay) return;
  clearTimeout(timers.get(name));
  timers.set(name, setTimeout(() => send(name), delay));
};
const send = (name) => {
  clearTimeout(timers.get(name));
  timers.delete(name);
  const form = find(name);
  if (!form || closed(form) || form.dataset.saveBy === "hand" || !dirty(form)) return;
  if (window.htmx) htmx.trigger(form, "save");
  else schedule(form, SAVE_EVERY_MS); // its script has not come yet; until then the text is kept on the device
};
const sendAll = () => forms().forEach((form) => send(form.dataset.keep));

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-keep]");
  if (!form) return;
  write(form);
  schedule(form, SAVE_EVERY_MS);
  show();
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-keep]");
  if (!form || !dirty(form)) return; // a box that is taken out of the page says "change" too
  write(form);
  schedule(form, 0);
});

document.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt;
  if (form.matches("form[data-keep]")) event.detail.parameters.before = JSON.stringify(unsure.get(form.dataset.keep) || []);
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches("form[data-keep]")) return;
  const name = form.dataset.keep;
  event.detail.xhr.kept = { name, values: values(form) };
  unsure.set(name, [...(unsure.get(name) || []), values(form)].slice(-MOST_UNSURE));
  if (dirty(form)) write(form);
});
document.addEventListener("htmx:beforeOnLoad", (event) => { // before anything is swapped and put back
  const { xhr } = event.detail;
  if (!xhr.kept || xhr.status !== 200 || xhr.getResponseHeader("Saved") !== xhr.kept.name) return;
  xhr.confirmed = true;
  confirmed(xhr.kept.name, xhr.kept.values);
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, elt } = event.detail;
  if (!xhr.kept) acted(xhr, elt);
  else if (!xhr.confirmed) failed(xhr.kept.name, xhr.status);
  show();
});
// A page that came in place of a fragment (the sign-in page, after a redirect) is not put into this one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== new URL(pathInfo.finalRequestPath, location).pathname) {
    event.detail.shouldSwap = false;
  }
});

const confirmed = (name, sent) => {
  const form = find(name);
  unsure.set(name, []);
  failures.delete(name);
  known.set(name, sent);
  if (!form || !dirty(form)) forget(name);
  else { write(form); schedule(form, SAVE_EVERY_MS); }
  show();
};
const failed = (name, status) => {
  failures.set(name, status === 0 ? "offline" : status >= 500 ? "server" : "refused");
  show();
  if (status === 200 || status === 401 || status === 403) ask(name);
};
// A click that is no form of this kind: a tag, a question, Stop.
const acted = (xhr, elt) => {
  if (!elt.closest("form") || !elt.closest("main")) return;
  const path = new URL(elt.closest("form").action || location.href).pathname;
  const elsewhere = xhr.responseURL && new URL(xhr.responseURL).pathname !== path;
  if (xhr.status >= 200 && xhr.status < 300 && !elsewhere) failures.delete("action");
  else if (xhr.status !== 422) failures.set("action", "action");
  show();
  if (xhr.status === 403 || elsewhere) ask("action");
};

// Who is signed in? --------------------------------------------------------------------------------------------------

const lastAsked = new Map();
const session = async () => {
  try {
    const answer = await fetch("/session/", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch { return null; }
};
const renew = (token) => {
  document.querySelectorAll("input[name=csrfmiddlewaretoken]").forEach((field) => { field.value = token; });
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
};
// After a refusal: the same person with a new token goes on at once; another one, or nobody, signs in first.
const ask = async (name) => {
  const now = await session();
  if (!now) return;
  renew(now.csrf);
  if (now.person !== person) {
    failures.set(name, "signed out");
    show();
    return void signInAgain();
  }
  const before = lastAsked.get(name) || 0;
  lastAsked.set(name, Date.now());
  if (Date.now() - before > RETRY_MS) send(name);
};
const signInAgain = () => {
  // Not modal, and the focus stays where it is: who is writing goes on writing, and no key is lost.
  const dialog = document.getElementById("sign-in-again");
  if (dialog) dialog.setAttribute("open", "");
};
const goOn = async () => {
  const dialog = document.getElementById("sign-in-again");
  if (!dialog || ![...failures.values()].includes("signed out")) return;
  const now = await session();
  if (!now || now.person !== person) return;
  renew(now.csrf);
  dialog.close();
  for (const [name, why] of [...failures]) if (why === "signed out") failures.delete(name);
  show();
  sendAll();
};

// What the bar says --------------------------------------------------------------------------------------------------

const WORDS = {
  offline: "Not saved yet: no connection. Go on, and leave this page open; it saves itself when the connection is back.",
  server: "Not saved yet: the server has a problem. Go on, and leave this page open; it tries again by itself.",
  refused: "Not saved: the server did not take it. It is kept on this device. Load this page again to see why.",
  "signed out": "Not saved: you are signed out in this browser. Sign in again; everything you wrote is kept and saved then.",
  action: "Your last click did not reach the server. Please press it once more when the connection is back.",
  full: "This browser keeps nothing: do not close this page before it says “Saved”.",
};
const WORST_FIRST = ["signed out", "refused", "server", "offline", "action", "full"];
const show = () => {
  const bar = document.getElementById("progress");
  if (!bar) return;
  const worst = WORST_FIRST.find((why) => [...failures.values()].includes(why));
  const waiting = forms().some((form) => form.dataset.saveBy !== "hand" && !closed(form) && dirty(form));
  if (!bar.dataset.said) bar.dataset.said = bar.textContent;
  bar.classList.toggle("not-saved", Boolean(worst));
  const said = worst ? WORDS[worst] : waiting ? "Saving…" : bar.dataset.said;
  if (bar.textContent !== said) bar.textContent = said;
  if (worst === "signed out") {
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Sign in again";
    again.addEventListener("click", signInAgain);
    bar.append(" ", again);
  }
};

// Coming back --------------------------------------------------------------------------------------------------------

const fill = (form, wanted) => {
  for (const field of form.elements) {
    if (!field.name || OWN_FIELDS.has(field.name)) continue;
    if (field.type === "radio") field.checked = wanted[field.name] === field.value;
    else if (field.name in wanted) field.value = wanted[field.name];
  }
};
const learn = () => forms().forEach((form) => {
  const name = form.dataset.keep;
  if (form.dataset.learnt) return;
  form.dataset.learnt = "yes";
  const empty = form.dataset.saveBy === "hand" && !("prefilled" in form.dataset); // what a refusal gives back is not saved
  known.set(name, empty ? {} : asRendered(form));
});
// A part of the page was replaced: what was newer here is put back.
const putBack = () => forms().forEach((form) => {
  if (form.dataset.learnt) return;
  learn();
  const kept = localStorage.getItem(keyOf(form.dataset.keep));
  if (!kept || closed(form)) return;
  const draft = JSON.parse(kept);
  if (same(draft.values, values(form))) return;
  fill(form, draft.values);
  write(form);
  schedule(form, SAVE_EVERY_MS);
});
const takeOver = async () => {
  const lost = [];
  for (const draft of await abandoned()) {
    const form = find(draft.name);
    if (form && !closed(form) && same(draft.values, known.get(draft.name) || {})) { localStorage.removeItem(draft.key); continue; }
    if (!form || closed(form)) { lost.push(draft); continue; }
    const byHand = form.dataset.saveBy === "hand"; // is put back and never sent by itself
    if (dirty(form) && !byHand) { post(form, draft); continue; } // an older one: the server keeps it beside
    if (dirty(form)) continue; // a newer one was put back already
    fill(form, draft.values);
    if (form.elements.version && draft.base) form.elements.version.value = draft.base;
    unsure.set(draft.name, draft.unsure || []);
    write(form);
    localStorage.removeItem(draft.key);
    send(draft.name);
  }
  if (lost.length) showLost(lost);
};
const post = async (form, draft) => {
  const data = new FormData(form);
  for (const [name, value] of Object.entries(draft.values)) data.set(name, value);
  if (draft.base) data.set("version", draft.base);
  data.set("before", JSON.stringify(draft.unsure || []));
  const options = { method: "POST", body: data, keepalive: true, headers: { "HX-Request": "true" } };
  try {
    const answer = await fetch(form.action, options);
    if (answer.ok && answer.headers.get("Saved") === draft.name && draft.key) localStorage.removeItem(draft.key);
  } catch { /* it stays on this device */ }
};
// What cannot be saved any more (submitted or withdrawn meanwhile) is shown, to be copied.
const showLost = (lost) => {
  const box = document.getElementById("never-saved");
  if (!box) return;
  box.hidden = false;
  for (const draft of lost) {
    const item = document.createElement("p");
    const text = Object.entries(draft.values).map(([name, value]) => `${name}: ${value}`).join(" · ");
    const done = document.createElement("button");
    item.textContent = `${draft.name.replace("-", " ")} (${new Date(draft.at).toLocaleString()}): ${text} `;
    done.type = "button";
    done.textContent = "Discard";
    done.addEventListener("click", () => { localStorage.removeItem(draft.key); item.remove(); });
    item.append(done);
    box.append(item);
  }
};

document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
  const early = forms().map((form) => [form, values(form)]); // written before this script ran
  learn();
  early.forEach(([form, now]) => { if (!same(now, known.get(form.dataset.keep))) { write(form); send(form.dataset.keep); } });
  takeOver();
}));
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target && event.detail.target.id === "progress") delete document.getElementById("progress").dataset.said;
  putBack();
  show();
});
document.addEventListener("htmx:afterSettle", () => { putBack(); show(); });
document.addEventListener("visibilitychange", () => { if (document.hidden) sendAll(); else goOn(); });
window.addEventListener("focus", goOn);
window.addEventListener("online", sendAll);
window.addEventListener("pagehide", () => forms().forEach((form) => {
  const name = form.dataset.keep;
  if (form.dataset.saveBy === "hand" || closed(form) || !dirty(form)) return;
  write(form);
  post(form, { name, values: values(form), base: version(form), unsure: unsure.get(name) || [] });
}));
setInterval(() => {
  goOn();
  for (const [name, why] of failures) if (why === "offline" || why === "server") send(name);
}, RETRY_MS);

// Others on this page ask whether something is still on its way.
const unsaved = () => forms().filter((form) => form.dataset.saveBy !== "hand" && !closed(form) && dirty(form));
window.drafts = { unsaved, saveAll: sendAll };
})();

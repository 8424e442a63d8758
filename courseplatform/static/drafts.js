// Nothing written is lost. What is entered in a form marked data-keep stays on this device until the server has said,
// by the form's name in the header `Saved`, that it stored it. Any other answer (another page, a refusal, none) is no
// save.
"use strict";

(() => {
  const person = document.body.dataset.person;
  if (!person) return;

  const SAVE_EVERY_MS = 2000; // of steady typing; at most so much is not yet on the server
  const RETRY_MS = 4000,
    RETRY_REFUSED_MS = 30_000;
  const MOST_UNSURE = 20;
  const OWN_FIELDS = new Set(["csrfmiddlewaretoken", "version", "before", "key"]);
  const page = `${person}${location.pathname}`;
  const here = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");

  // This window is alive while it holds a lock; drafts of windows that are not are taken over.
  if (navigator.locks) navigator.locks.request(`draft-${here}`, () => new Promise(() => {}));

  const known = new Map(); // by form name: what the server has
  const unsure = new Map(); // by form name: what was sent and never answered; the server may have it
  const mine = new Map(); // by form name: what this window sent last and the server stored
  const failures = new Map(); // by form name, or "action": why it is not saved
  const timers = new Map();
  const underWay = new Map(); // by form name: how many of its requests have no answer yet
  const pressed = new Map(); // by the name of a form that is sent by hand: what was sent and has not arrived
  const outboxes = []; // of other scripts: () => what is still on its way

  const forms = () => [...document.querySelectorAll("form[data-keep]")];
  const find = (name) => document.querySelector(`form[data-keep="${CSS.escape(name)}"]`);
  const values = (form) => Object.fromEntries([...new FormData(form)].filter(([name]) => !OWN_FIELDS.has(name)));
  const same = (one, other) => {
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].every((name) => (one[name] || "") === (other[name] || ""));
  };
  const version = (form) => (form.elements.version ? form.elements.version.value : "");
  const newKey = () => {
    const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join(
      "",
    );
    return `${hex.slice(0, 12)}4${hex.slice(13, 16)}8${hex.slice(17)}`; // a random UUID; randomUUID() wants https
  };
  // What is sent twice with it counts once
  const sendKey = (form) => (form.elements.key ? form.elements.key.value : "");
  const asRendered = (form) => {
    const copy = form.cloneNode(true);
    copy.reset();
    return values(copy);
  };
  // Also where she took back what was sent and never answered: the server may have that.
  const dirty = (form) => {
    const now = values(form),
      name = form.dataset.keep;
    return !same(now, known.get(name) || {}) || (unsure.get(name) || []).some((one) => !same(one, now));
  };
  const before = (name) => [...(unsure.get(name) || []), ...(mine.has(name) ? [mine.get(name)] : [])];
  const closed = (form) => form.querySelector("fieldset:disabled") !== null;

  // Drafts on this device --------------------------------------------------------------------------------------------
  // localStorage is there at once, and outlives a closed tab and a crashed page. But a browser writes it to the disk
  // seconds later: a second copy goes to IndexedDB, which is on the disk when its transaction ends, and outlives the
  // browser's death.
  const FORGOTTEN_MS = 14 * 24 * 3600 * 1000; // a note that something was saved is itself forgotten then
  const opened = new Promise((resolve) => {
    try {
      const asked = indexedDB.open("drafts", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
      asked.onsuccess = asked.onerror = () => resolve(asked.error ? null : asked.result);
    } catch {
      resolve(null);
    }
  });
  const onItsWay = new Map();
  let copying = false;
  const copy = async () => {
    if (copying) return;
    copying = true;
    const base = await opened;
    while (base && onItsWay.size) {
      const batch = [...onItsWay];
      onItsWay.clear();
      await new Promise((done) => {
        const change = base.transaction("kept", "readwrite", { durability: "strict" });
        batch.forEach(([key, text]) => change.objectStore("kept").put(text, key));
        change.oncomplete = change.onerror = change.onabort = done;
      });
    }
    copying = false;
  };
  const onDisk = () => !copying && !onItsWay.size;
  const keep = (key, what) => {
    const text = JSON.stringify({ ...what, at: what.at || Date.now() });
    try {
      localStorage.setItem(key, text);
    } catch {
      failures.set("device", "full");
    }
    onItsWay.set(key, text);
    copy();
  };
  const drop = (key) => {
    if (localStorage.getItem(key) === null) return;
    localStorage.removeItem(key);
    onItsWay.set(key, JSON.stringify({ gone: true, at: Date.now() }));
    copy();
  };
  const answer = (asked) =>
    new Promise((done) => {
      asked.onsuccess = asked.onerror = () => done(asked.result || []);
    });
  // After the browser died localStorage may be older than the copy, or have back what was saved already.
  const recovered = opened
    .then(async (base) => {
      if (!base) return;
      const store = base.transaction("kept").objectStore("kept");
      const [keys, texts] = await Promise.all([answer(store.getAllKeys()), answer(store.getAll())]);
      for (const [number, key] of keys.entries()) {
        const copied = JSON.parse(texts[number]);
        const mine = JSON.parse(localStorage.getItem(key) || "null");
        if (copied.gone && Date.now() - copied.at > FORGOTTEN_MS)
          base.transaction("kept", "readwrite").objectStore("kept").delete(key);
        if (mine && mine.at > copied.at) continue;
        if (copied.gone) localStorage.removeItem(key);
        else if (!mine || mine.at < copied.at) localStorage.setItem(key, JSON.stringify(copied));
      }
    })
    .catch(() => {});

  const keyOf = (name, owner = here) => `draft ${page} ${name} ${owner}`;
  const write = (form) => {
    const name = form.dataset.keep;
    keep(keyOf(name), { values: values(form), base: version(form), once: sendKey(form), unsure: before(name) });
  };
  const forget = (name) => drop(keyOf(name));
  // What windows that are gone have left under this kind of key, newest first.
  const abandoned = async (kind) => {
    await recovered;
    const held = navigator.locks ? (await navigator.locks.query()).held : [];
    const alive = new Set(held.map((lock) => lock.name.replace("draft-", "")));
    const found = [];
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(`${kind} ${page} `)) continue;
      const [name, owner] = key.slice(`${kind} ${page} `.length).split(" ");
      if (owner !== here && !alive.has(owner)) found.push({ key, name, ...JSON.parse(localStorage.getItem(key)) });
    }
    return found.sort((one, other) => other.at - one.at);
  };

  // Saving -----------------------------------------------------------------------------------------------------------
  const schedule = (form, delay) => {
    const name = form.dataset.keep;
    if (timers.has(name) && delay) return;
    clearTimeout(timers.get(name));
    timers.set(
      name,
      setTimeout(() => send(name), delay),
    );
  };
  const send = (name) => {
    clearTimeout(timers.get(name));
    timers.delete(name);
    const form = find(name);
    if (!form || closed(form)) return;
    if (form.dataset.saveBy === "hand") {
      if (window.htmx && pressed.has(name) && same(pressed.get(name), values(form))) htmx.trigger(form, "submit");
      return;
    }
    if (!dirty(form)) return;
    if (window.htmx) htmx.trigger(form, "save");
    else schedule(form, SAVE_EVERY_MS); // its script has not come yet; until then the text is kept on the device
  };
  const sendAll = () => {
    forms().forEach((form) => send(form.dataset.keep));
    document.dispatchEvent(new Event("drafts:go-on")); // for other scripts' outboxes
  };
  const takesWhatIsTyped = (form) => {
    const name = form.dataset.keep;
    if (form.dataset.saveBy === "hand") {
      // It is not what was sent before
      if (pressed.delete(name) && form.elements.key) form.elements.key.value = newKey();
      failures.delete(name);
    }
    write(form);
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-keep]");
    if (!form) return;
    takesWhatIsTyped(form);
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
    if (form.matches("form[data-keep]")) event.detail.parameters.before = JSON.stringify(before(form.dataset.keep));
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt;
    if (!form.matches("form[data-keep]")) return;
    const name = form.dataset.keep;
    event.detail.xhr.kept = { name, values: values(form) };
    const sent = values(form);
    const earlier = (unsure.get(name) || []).filter((one) => !same(one, sent)); // tried again for hours, it is one
    unsure.set(name, [...earlier, sent].slice(-MOST_UNSURE));
    if (form.dataset.saveBy === "hand") pressed.set(name, sent);
    if (dirty(form)) write(form);
  });
  const stored = (xhr) => xhr.status === 200 && xhr.getResponseHeader("Saved") === xhr.kept.name;
  // A form that was replaced while its save was under way is not in the page any more, and nobody hears what htmx tells
  // about that save when the connection is cut. The request itself always ends.
  document.addEventListener("htmx:beforeSend", (event) => {
    const { xhr } = event.detail;
    if (!xhr.kept) return;
    const { name } = xhr.kept;
    underWay.set(name, (underWay.get(name) || 0) + 1);
    xhr.addEventListener("loadend", () => {
      underWay.set(name, underWay.get(name) - 1);
      if (xhr.told || xhr.confirmed) return;
      if (stored(xhr)) confirmed(name, xhr.kept.values);
      else failed(name, xhr.status);
    });
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    // before anything is swapped and put back
    const { xhr } = event.detail;
    if (!xhr.kept || !stored(xhr)) return;
    xhr.confirmed = true;
    confirmed(xhr.kept.name, xhr.kept.values);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, elt } = event.detail;
    xhr.told = true;
    if (!xhr.kept) acted(xhr, elt);
    else if (xhr.status === 422 && pressed.delete(xhr.kept.name)) failures.delete(xhr.kept.name); // the page says why
    else if (!xhr.confirmed) failed(xhr.kept.name, xhr.status);
    show();
  });
  // A page that came in place of a fragment (the sign-in page, after a redirect) is not put into this one.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, pathInfo } = event.detail;
    if (
      xhr.responseURL &&
      new URL(xhr.responseURL).pathname !== new URL(pathInfo.finalRequestPath, location).pathname
    ) {
      event.detail.shouldSwap = false;
    }
  });

  const confirmed = (name, sent) => {
    const form = find(name);
    unsure.set(name, []);
    mine.set(name, sent);
    failures.delete(name);
    pressed.delete(name);
    known.set(name, sent);
    if (!form || !dirty(form)) forget(name);
    else {
      write(form);
      schedule(form, SAVE_EVERY_MS);
    }
    show();
  };
  const failed = (name, status) => {
    failures.set(name, status === 0 ? "offline" : status >= 500 ? "server" : "refused");
    show();
    if (status === 200 || (status >= 400 && status < 500)) ask(name);
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

  // Who is signed in? ------------------------------------------------------------------------------------------------
  const lastAsked = new Map();
  const session = async () => {
    try {
      const answer = await fetch("/session/", { cache: "no-store" });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  };
  const renew = (token) => {
    document.querySelectorAll("input[name=csrfmiddlewaretoken]").forEach((field) => {
      field.value = token;
    });
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  };
  // After a refusal: the same person with a new token goes on at once; another one, or nobody, signs in first.
  const ask = async (name) => {
    const now = await session();
    if (!now) return;
    if (now.person !== person) {
      // and nothing is sent with somebody else's token
      failures.set(name, "signed out");
      show();
      return void signInAgain();
    }
    renew(now.csrf);
    const before = lastAsked.get(name) || 0;
    lastAsked.set(name, Date.now());
    if (Date.now() - before <= RETRY_MS) return;
    send(name);
    document.dispatchEvent(new Event("drafts:go-on"));
  };
  const signInAgain = () => {
    // Not modal, and the focus stays where it is: who is writing goes on writing, and no key is lost.
    const dialog = document.getElementById("sign-in-again");
    if (dialog) dialog.setAttribute("open", "");
  };
  const goOn = async () => {
    const dialog = document.getElementById("sign-in-again");
    if (!dialog || (!dialog.open && ![...failures.values()].includes("signed out"))) return;
    const now = await session();
    if (!now || now.person !== person) return;
    renew(now.csrf);
    dialog.close();
    for (const [name, why] of [...failures]) if (why === "signed out") failures.delete(name);
    show();
    sendAll();
  };

  // What the bar says is in never_saved.js.
  const show = () => {
    for (const name of failures.keys()) {
      // shown anew, and what she wants is there
      const form = find(name);
      if (form && form.dataset.saveBy !== "hand" && !dirty(form)) failures.delete(name);
    }
    const detail = { failures: [...failures.values()], waiting: unsaved().length > 0 };
    document.dispatchEvent(new CustomEvent("drafts:state", { detail }));
  };

  // Coming back ------------------------------------------------------------------------------------------------------
  const fill = (form, wanted) => {
    for (const field of form.elements) {
      if (!field.name || OWN_FIELDS.has(field.name)) continue;
      if (field.type === "radio") field.checked = wanted[field.name] === field.value;
      else if (field.name in wanted) field.value = wanted[field.name];
    }
  };
  const learn = () =>
    forms().forEach((form) => {
      const name = form.dataset.keep;
      if (form.dataset.learnt) return;
      form.dataset.learnt = "yes";
      // What a refusal gives back is not saved
      const empty = form.dataset.saveBy === "hand" && !("prefilled" in form.dataset);
      known.set(name, empty ? {} : asRendered(form));
    });
  // A part of the page was replaced: what was newer here is put back.
  const putBack = () => {
    const anew = forms().filter((form) => !form.dataset.learnt);
    learn();
    anew.forEach(putBackInto);
  };
  // Before the next key: what she types then goes on after her words. The rest waits until htmx has settled, which sets
  // fields of the old part anew, the version among them.
  const fillAnew = () => {
    for (const form of forms()) {
      const draft = form.dataset.learnt ? null : draftOf(form);
      if (draft) fill(form, draft.values);
    }
  };
  const draftOf = (form) => {
    const key = keyOf(form.dataset.keep);
    const draft = closed(form) ? null : JSON.parse(localStorage.getItem(key) || "null");
    if (!draft || !arrived(draft)) return draft;
    drop(key);
    return null;
  };
  const putBackInto = (form) => {
    const draft = draftOf(form);
    if (!draft || same(draft.values, known.get(form.dataset.keep))) return;
    fill(form, draft.values);
    // What she had seen
    if (form.elements.version && draft.base !== undefined) form.elements.version.value = draft.base;
    write(form);
    schedule(form, SAVE_EVERY_MS);
  };
  // A question whose answer was lost: it stands in the talk already.
  const arrived = (draft) => Boolean(draft.once) && document.getElementById(`turn-${draft.once}`) !== null;
  const posted = new Set(); // drafts of others that are on their way
  const told = new Set(); // drafts that cannot be saved any more, and were shown
  const takeOver = async () => {
    const lost = [];
    for (const draft of await abandoned("draft")) {
      const form = find(draft.name);
      const there = form && !closed(form) && same(draft.values, known.get(draft.name) || {});
      if (there || arrived(draft)) {
        drop(draft.key);
        continue;
      }
      if (!form || closed(form)) {
        if (!told.has(draft.key)) lost.push(draft);
        told.add(draft.key);
        continue;
      }
      const byHand = form.dataset.saveBy === "hand"; // is put back and never sent by itself
      if (dirty(form) && !byHand) {
        // An older one: the server keeps it beside
        if (!posted.has(draft.key)) post(form, draft).then(() => posted.delete(draft.key));
        posted.add(draft.key);
        continue;
      }
      if (dirty(form)) continue; // a newer one was put back already
      fill(form, draft.values);
      if (form.elements.version && draft.base !== undefined) form.elements.version.value = draft.base;
      if (form.elements.key && draft.once) form.elements.key.value = draft.once;
      unsure.set(draft.name, draft.unsure || []);
      write(form);
      drop(draft.key);
      send(draft.name);
    }
    // What cannot be saved any more (submitted or withdrawn meanwhile) is shown, to be copied.
    if (lost.length) document.dispatchEvent(new CustomEvent("drafts:lost", { detail: lost }));
  };
  const post = async (form, draft) => {
    const data = new FormData(form);
    for (const [name, value] of Object.entries(draft.values)) data.set(name, value);
    if (form.elements.version && draft.base !== undefined) data.set("version", draft.base);
    data.set("before", JSON.stringify(draft.unsure || []));
    const options = { method: "POST", body: data, keepalive: true, headers: { "HX-Request": "true" } };
    try {
      const answer = await fetch(form.action, options);
      if (answer.ok && answer.headers.get("Saved") === draft.name && draft.key) drop(draft.key);
    } catch {
      /* it stays here */
    }
  };
  document.addEventListener("DOMContentLoaded", () =>
    setTimeout(() => {
      const early = forms().map((form) => [form, values(form)]); // written before this script ran
      learn();
      early.forEach(([form, now]) => {
        if (!same(now, known.get(form.dataset.keep))) {
          write(form);
          send(form.dataset.keep);
        }
      });
      takeOver();
    }),
  );
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    const bar = event.detail.target && event.detail.target.id === "progress" && document.getElementById("progress");
    if (bar) delete bar.dataset.said;
    putBack();
    show();
  });
  document.addEventListener("htmx:afterSwap", fillAnew);
  document.addEventListener("htmx:afterSettle", () => {
    putBack();
    show();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) sendAll();
    else goOn();
  });
  window.addEventListener("focus", goOn);
  document.addEventListener("drafts:signed-in", goOn);
  window.addEventListener("online", sendAll);
  window.addEventListener("pagehide", () =>
    forms().forEach((form) => {
      const name = form.dataset.keep;
      if (form.dataset.saveBy === "hand" || closed(form) || !dirty(form)) return;
      write(form);
      post(form, { name, values: values(form), base: version(form), unsure: before(name) });
    }),
  );
  // Whatever went wrong: what is not saved, and is not about to be sent, is sent.
  const sendForgotten = () =>
    forms().forEach((form) => {
      const name = form.dataset.keep;
      if (form.dataset.saveBy === "hand" || closed(form) || !dirty(form)) return;
      if (failures.has(name) || timers.has(name) || underWay.get(name)) return;
      write(form);
      send(name);
    });
  setInterval(() => {
    goOn();
    sendForgotten();
    takeOver(); // a window that was open when this one began may be gone now
    for (const [name, why] of failures) {
      const soon = why === "offline" || why === "server";
      if (soon || (why === "refused" && Date.now() - (lastAsked.get(name) || 0) > RETRY_REFUSED_MS)) send(name);
    }
  }, RETRY_MS);

  const unsaved = () => [
    ...forms().filter((form) => form.dataset.saveBy !== "hand" && !closed(form) && dirty(form)),
    ...outboxes.flatMap((box) => box()),
  ];
  const didArrive = (name) => {
    failures.delete(name);
    show();
  };
  // For the other scripts of a page with drafts: is something on its way, and what an outbox needs.
  window.drafts = {
    unsaved,
    saveAll: sendAll,
    show,
    onDisk,
    outboxes,
    page,
    here,
    keep,
    drop,
    forget,
    abandoned,
    failed,
    arrived: didArrive,
  };
})();

// What a page with drafts says: in the bar how they stand, in never_saved.html those that no form takes any more, and
// the sign-in that opens over the page.
"use strict";

(() => {
  const WORDS = {
    offline:
      "Not saved yet: no connection. Go on, and leave this page open; it saves itself when the connection is back.",
    server: "Not saved yet: the server has a problem. Go on, and leave this page open; it tries again by itself.",
    refused: "Not saved: the server did not take it. It is kept on this device. Load this page again to see why.",
    "signed out":
      "Not saved: you are signed out in this browser. Sign in again; everything you wrote is kept and saved then.",
    action: "Your last click did not reach the server. Please press it once more when the connection is back.",
    full: "This browser keeps nothing: do not close this page before it says “Saved”.",
  };
  const WORST_FIRST = ["signed out", "refused", "server", "offline", "action", "full"];
  document.addEventListener("drafts:state", (event) => {
    const bar = document.getElementById("progress");
    if (!bar) return;
    const worst = WORST_FIRST.find((why) => event.detail.failures.includes(why));
    if (!bar.dataset.said) bar.dataset.said = bar.textContent;
    bar.classList.toggle("not-saved", Boolean(worst));
    const said = worst ? WORDS[worst] : event.detail.waiting ? "Saving…" : bar.dataset.said;
    if (bar.textContent !== said) bar.textContent = said;
    if (worst !== "signed out") return;
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Sign in again";
    again.addEventListener("click", () => document.getElementById("sign-in-again").setAttribute("open", ""));
    bar.append(" ", again);
  });
})();

document.addEventListener("drafts:lost", (event) => {
  const box = document.getElementById("never-saved");
  box.hidden = false;
  for (const draft of event.detail) {
    const item = document.createElement("p");
    const text = Object.entries(draft.values)
      .map(([name, value]) => `${name}: ${value}`)
      .join(" · ");
    const done = document.createElement("button");
    item.textContent = `${draft.name.replace("-", " ")} (${new Date(draft.at).toLocaleString()}): ${text} `;
    done.type = "button";
    done.textContent = "Discard";
    done.addEventListener("click", () => {
      window.drafts.drop(draft.key);
      item.remove();
    });
    item.append(done);
    box.append(item);
  }
});

// The sign-in itself: the page stays as it is, and goes on when its own person is signed in again.
(() => {
  const form = document.getElementById("sign-in-here");
  const said = document.getElementById("sign-in-said");
  const post = (url, fields, token) =>
    fetch(url, { method: "POST", body: new URLSearchParams({ ...fields, csrfmiddlewaretoken: token }) });
  const session = async () => (await fetch("/session/", { cache: "no-store" })).json();
  const signIn = async () => {
    let now = await session();
    if (now.person && now.person !== document.body.dataset.person) {
      await post(form.dataset.signOut, {}, now.csrf); // somebody else at this browser; what they wrote is kept as well
      now = await session();
    }
    const fields = Object.fromEntries(new FormData(form));
    const answer = await post(form.action, { ...fields, next: form.dataset.next }, now.csrf);
    if (answer.status === 429) return "Too many tries. Wait some minutes, then try again.";
    const then = await session();
    if (then.person === document.body.dataset.person) return "";
    return then.person
      ? "That is somebody else’s account. Sign in as the person who wrote on this page."
      : "That did not work. Look at the address and the password, then try again.";
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "Signing in…";
    try {
      said.textContent = await signIn();
    } catch {
      said.textContent = "No connection. Try again when it is back.";
    }
    if (said.textContent) return;
    form.elements.password.value = "";
    document.dispatchEvent(new Event("drafts:signed-in"));
  });
})();
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-sign-in]")) document.getElementById("sign-in-again").close();
});

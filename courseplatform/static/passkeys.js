// A passkey is made or used by the browser; what it answers goes with the form, as JSON.
"use strict";

function optionsOf(kind) {
  const told = JSON.parse(document.getElementById("passkey-options").textContent).publicKey;
  return kind === "create"
    ? PublicKeyCredential.parseCreationOptionsFromJSON(told)
    : PublicKeyCredential.parseRequestOptionsFromJSON(told);
}

async function askDevice(form) {
  const kind = form.dataset.passkey;
  const said = form.querySelector("[role=alert]");
  said.hidden = true;
  try {
    const publicKey = optionsOf(kind);
    const found = await navigator.credentials[kind]({ publicKey });
    form.elements.credential.value = JSON.stringify(found.toJSON());
    form.submit();
  } catch (error) {
    said.textContent =
      error instanceof TypeError
        ? "This browser is too old for passkeys. Use a newer one, or an authenticator app."
        : "The device gave no passkey: it was cancelled, took too long, or has none for this platform. Try again.";
    said.hidden = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.passkey) return;
  event.preventDefault();
  askDevice(form);
});

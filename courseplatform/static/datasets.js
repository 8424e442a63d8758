// Datasets: says what happens while a file is on its way.
"use strict";

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-upload]");
  if (!form || event.defaultPrevented) return;
  const note = form.querySelector("[data-upload-note]");
  const file = form.querySelector("input[type=file]")?.files[0];
  if (note)
    note.textContent = file
      ? `Sending ${file.name} (${(file.size / 1e6).toFixed(1)} MB) and checking every row…`
      : "Checking every row…";
});

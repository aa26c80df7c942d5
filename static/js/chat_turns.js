// What a person does with the turns of a conversation: copy, edit, go between takes and branches, reset the settings.

import { showToast } from "./app.js";

const room = document.getElementById("chat-room");

function sourceText(element) {
  // Code is copied as it is written, an answer as it is read.
  return element.closest("pre, code") || element.matches("pre, code") ? element.textContent : element.innerText;
}

async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button || !navigator.clipboard) return;
  await navigator.clipboard.writeText(sourceText(document.getElementById(button.dataset.copy)).trim());
  showToast(button.dataset.copied ?? room.dataset.copied);
}

// --- changes ---------------------------------------------------------------------------------------

// What had the focus may have been replaced; the turn is where its reader goes on.
function mindFocus(event) {
  const turn = document.getElementById(event.detail.turn);
  if (turn && document.activeElement === document.body) turn.focus({ preventScroll: true });
}

// A sheet of actions lies over the answer that they bring.
function closeSheet(event) {
  const sheet = event.target.closest?.(".reply__actions:popover-open");
  if (sheet && !event.target.closest(".rating, .reply__settings")) sheet.hidePopover();
}

// --- settings --------------------------------------------------------------------------------------

function resetSampling(event) {
  const button = event.target.closest("[data-reset-sampling]");
  if (!button) return;
  const defaults = JSON.parse(document.getElementById("sampling-defaults").textContent);
  for (const [name, value] of Object.entries(defaults)) button.form.elements[name].value = value;
  button.form.querySelectorAll("#composer-settings .field__error").forEach((fault) => fault.remove());
  button.form
    .querySelectorAll("#composer-settings [aria-invalid]")
    .forEach((field) => field.removeAttribute("aria-invalid"));
}

room.addEventListener("click", copy);
room.addEventListener("click", closeSheet);
room.addEventListener("click", resetSampling);
document.addEventListener("chat:changed", mindFocus);

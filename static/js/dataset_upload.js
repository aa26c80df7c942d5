// The upload page: drop a file, refuse one that is too large before it is sent, show how far it is, copy a sample.
// Listeners stand on the document, because a refused form is replaced as a whole.

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

function sizeText(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const format = { style: "unit", unit: UNITS[unit], unitDisplay: unit ? "short" : "long", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(document.documentElement.lang, format).format(value);
}

function dataForm(element) {
  return element.closest?.("[data-dataset-form]") ?? null;
}

function chosenBytes(input) {
  if (input.type === "file") return input.files[0]?.size ?? 0;
  return new Blob([input.value]).size;
}

/** Mark the input when its content is larger than the server takes; the form then can not be sent. */
function checkSize(input) {
  const form = dataForm(input);
  const bytes = chosenBytes(input);
  const isTooLarge = bytes > Number(form.dataset.maxBytes);
  const sentence = isTooLarge ? form.dataset.tooLarge.replace("{size}", sizeText(bytes)) : "";
  const notice = form.querySelector("[data-size-error]");
  notice.textContent = sentence;
  notice.hidden = !isTooLarge;
  input.setCustomValidity(sentence);
  if (isTooLarge) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function showChosen(input) {
  const zone = input.closest("[data-dropzone]");
  const text = zone?.querySelector("[data-chosen-text]");
  const file = input.files[0];
  if (!text) return;
  text.hidden = !file;
  text.textContent = file
    ? zone.dataset.chosen.replace("{size}", sizeText(file.size)).replace("{name}", () => file.name)
    : "";
}

function isContent(element) {
  return element.matches?.("[data-dataset-form] :is(input[type='file'], textarea[name='text'])");
}

document.addEventListener("change", (event) => {
  if (!isContent(event.target)) return;
  checkSize(event.target);
  if (event.target.type === "file") showChosen(event.target);
});

// htmx says nothing when a form is not valid; too large a file is told in the page already.
document.addEventListener("htmx:validation:halted", (event) => {
  const form = dataForm(event.target);
  const refused = form?.querySelector("[aria-invalid='true']");
  if (refused) refused.focus();
  else form?.reportValidity();
});

// --- Drag and drop --------------------------------------------------------------------------------

function enhance(root) {
  root.querySelectorAll("[data-drop-hint]").forEach((hint) => {
    hint.hidden = false;
  });
}

function zoneOf(event) {
  return event.target.closest?.("[data-dropzone]") ?? null;
}

function markZone(current) {
  document.querySelectorAll("[data-dropzone]").forEach((zone) => zone.classList.toggle("is-over", zone === current));
}

document.addEventListener("dragover", (event) => {
  const zone = zoneOf(event);
  markZone(zone);
  // A file that misses the zone would otherwise replace the page.
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) markZone(null);
});

document.addEventListener("drop", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  markZone(null);
  const input = zoneOf(event)?.querySelector("input[type='file']");
  if (!input || !event.dataTransfer.files.length) return;
  const single = new DataTransfer();
  single.items.add(event.dataTransfer.files[0]);
  input.files = single.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  input.focus();
});

// --- While it is sent -----------------------------------------------------------------------------

function progressOf(event) {
  return dataForm(event.target)?.querySelector("[data-upload-progress]") ?? null;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const progress = progressOf(event);
  if (!progress) return;
  progress.hidden = false;
  progress.removeAttribute("value");
  dataForm(event.target).querySelector("button[type='submit']").setAttribute("aria-busy", "true");
});

document.addEventListener("htmx:xhr:progress", (event) => {
  const progress = progressOf(event);
  if (!progress || !event.detail.lengthComputable) return;
  const { loaded, total } = event.detail;
  // All is sent, but it is still being checked: a full bar would look stuck.
  if (loaded < total) progress.value = (100 * loaded) / total;
  else progress.removeAttribute("value");
});

document.addEventListener("htmx:afterRequest", (event) => {
  const progress = progressOf(event);
  if (!progress) return;
  progress.hidden = true;
  dataForm(event.target).querySelector("button[type='submit']").removeAttribute("aria-busy");
});

// --- Samples --------------------------------------------------------------------------------------

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.querySelector("[data-copy-label]").textContent = button.dataset.copied;
    });
  });
}

document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));
enhance(document);

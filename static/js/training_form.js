// The form of a new job: a value changed by hand is no preset any more; a proposed change is applied by one click.

const OWN_SETTINGS = "own";

document.addEventListener("input", (event) => {
  const { form, name, type } = event.target;
  if (form?.id !== "job-form" || !name.includes(".")) return;
  const [group] = name.split(".");
  const own = form.querySelector(`input[name="${group}_preset"][value="${OWN_SETTINGS}"]`);
  if (own && type !== "radio") own.checked = true;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-changes]");
  const form = document.getElementById("job-form");
  if (!button || !form) return;
  for (const [name, value] of Object.entries(JSON.parse(button.dataset.changes))) {
    setValue(form, name, value);
  }
  document.getElementById("fit-result")?.replaceChildren();
  // The button goes away with the plan that it stood in.
  document.getElementById("job-plan")?.focus({ preventScroll: true });
});

function setValue(form, name, value) {
  const fields = form.querySelectorAll(`[name="${CSS.escape(name)}"]`);
  for (const field of fields) {
    if (field.type === "checkbox") field.checked = value.includes(field.value);
    else field.value = value;
  }
  for (const kind of ["input", "change"]) fields[0]?.dispatchEvent(new Event(kind, { bubbles: true }));
}

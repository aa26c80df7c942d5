// The form of a new job: a value changed by hand is no preset any more.

const OWN_SETTINGS = "own";

document.addEventListener("input", (event) => {
  const { form, name, type } = event.target;
  if (form?.id !== "job-form" || !name.includes(".")) return;
  const [group] = name.split(".");
  const own = form.querySelector(`input[name="${group}_preset"][value="${OWN_SETTINGS}"]`);
  if (own && type !== "radio") own.checked = true;
});

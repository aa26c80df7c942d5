// A button that copies the text it names; without a clipboard it stays hidden.

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.querySelector("[data-copy-label]").textContent = button.dataset.copied;
    });
  });
}

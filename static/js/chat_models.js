// A long list of models becomes shorter while a person types a part of a name.

const search = document.getElementById("model-search");

function normal(text) {
  return text.normalize("NFKC").toLocaleLowerCase();
}

function filter() {
  const terms = normal(document.getElementById("model-search-text").value).split(/\s+/).filter(Boolean);
  let found = 0;
  for (const card of document.querySelectorAll(".model-choices > .choice-card")) {
    const text = normal(card.textContent);
    const isFound = terms.every((term) => text.includes(term));
    // The chosen one stays, so that nobody starts a chat with a model out of sight.
    card.hidden = !isFound && !card.querySelector("input").checked;
    found += isFound;
  }
  hideEmptyGroups();
  const count = document.getElementById("model-search-count");
  count.textContent = found ? "" : count.dataset.none;
}

function hideEmptyGroups() {
  for (const group of document.querySelectorAll("fieldset:has(> .model-choices)")) {
    group.hidden = !group.querySelector(".choice-card:not([hidden])");
  }
}

// How many models are chosen for a comparison; beyond the most, the rest can not be marked.
const lead = document.getElementById("model-count");

function countChosen() {
  const boxes = [...document.querySelectorAll('.model-choices input[type="checkbox"]')];
  const count = boxes.filter((box) => box.checked).length;
  const status = lead.querySelector("[role=status]");
  status.textContent = `${count}/${lead.dataset.most} ${status.dataset.word}`;
  for (const box of boxes) box.disabled = !box.checked && count >= Number(lead.dataset.most);
}

if (lead) {
  countChosen();
  document.querySelector(".new-chat").addEventListener("change", countChosen);
}

if (search) {
  search.hidden = false;
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) event.preventDefault();
  });
}

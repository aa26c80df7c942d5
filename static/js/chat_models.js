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
  const count = document.getElementById("model-search-count");
  count.textContent = found ? "" : count.dataset.none;
}

if (search) {
  search.hidden = false;
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) event.preventDefault();
  });
}

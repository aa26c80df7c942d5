// Several models side by side: the keys of a vote, and the differences between the answers.

const room = document.getElementById("chat-room");

// A digit presses the button that bears it, while the focus is among the buttons of that vote.
function voteByKey(event) {
  const group = event.target.closest("[data-vote]");
  if (!group || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key.normalize("NFKC");
  const button = group.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]:enabled`);
  if (!button) return;
  event.preventDefault();
  button.focus();
  button.click();
}

// The socket may bring the foot of a turn anew while a button in it has the focus.
let focusedId = "";

function noteFocus(event) {
  const { target, shouldSwap } = event.detail;
  const isInside = shouldSwap && target.matches?.(".turn__foot") && target.contains(document.activeElement);
  if (isInside) focusedId = document.activeElement.id;
}

function bringFocusBack() {
  if (!focusedId) return;
  document.getElementById(focusedId)?.focus({ preventScroll: true });
  focusedId = "";
}

function closeDifferences(event) {
  const button = event.target.closest("[data-close-differences]");
  if (!button) return;
  const turn = button.closest(".turn");
  button.closest(".turn__differences").replaceChildren();
  (document.getElementById(button.dataset.closeDifferences) ?? turn).focus();
}

// The answers are hidden while their differences are shown, so the reader goes on there.
function readDifferences(event) {
  if (!event.target.matches?.(".turn__differences")) return;
  event.target.querySelector(".differences")?.focus({ preventScroll: true });
  event.target.closest(".turn").scrollIntoView({ block: "nearest" });
}

room.addEventListener("keydown", voteByKey);
room.addEventListener("click", closeDifferences);
room.addEventListener("htmx:afterSwap", readDifferences);
room.addEventListener("htmx:oobBeforeSwap", noteFocus);
room.addEventListener("htmx:oobAfterSwap", bringFocusBack);

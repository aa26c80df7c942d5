// The answer to a click whose button the socket has replaced meanwhile. htmx would look for what the answer replaces in the
// tree of the button, and tell what happened to the button: neither is the page's any more.

function tell(header) {
  const events = header.startsWith("{") ? JSON.parse(header) : { [header]: {} };
  for (const [name, detail] of Object.entries(events)) window.htmx.trigger(document.body, name, detail);
}

/** place: an element that stays on the page. */
function swapIntoPage(event, place) {
  const { requestConfig, serverResponse, shouldSwap, xhr } = event.detail;
  if (!shouldSwap || requestConfig.elt.isConnected) return;
  event.detail.shouldSwap = false;
  window.htmx.swap(place, serverResponse, { swapStyle: "none" });
  const header = xhr.getResponseHeader("HX-Trigger");
  if (header) tell(header);
}

/** Apply answers to what was clicked within an element to the page, whatever became of the button. */
export function takeLateAnswers(within, place = within) {
  within.addEventListener("htmx:beforeRequest", (event) => {
    event.detail.target.addEventListener("htmx:beforeSwap", (answer) => swapIntoPage(answer, place));
  });
}

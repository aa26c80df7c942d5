// A live page: the socket brings new parts; while it is closed the same parts are polled.

import { takeLateAnswers } from "./late_answers.js";

// A closed socket often opens again at once (a restarted server): only then does the page say that it polls.
const PATIENCE_MILLISECONDS = 1500;
// A socket may be dead without anybody having closed it: a laptop slept, a proxy forgot.
const SILENCE_MILLISECONDS = 15000;
const LONGEST_RECONNECT_MILLISECONDS = 30000;
const NEVER_MILLISECONDS = 2 ** 31 - 1;

/**
 * Keep the parts of a page up to date until one of them says that all is over (data-over).
 * live: the element with the socket, which polls at the event "poll"; notice: shown while it polls.
 */
export function keepLive(live, notice, pollMilliseconds) {
  let poller = 0;
  let patience = 0;
  let failedConnections = 0;
  let heardAt = Date.now();

  const isOver = () => live.querySelector("[data-over]") !== null;

  function poll() {
    if (isOver()) stopPolling();
    else if (!document.hidden) live.dispatchEvent(new CustomEvent("poll"));
  }

  function startPolling() {
    if (poller || isOver()) return;
    notice.hidden = false;
    poller = setInterval(poll, pollMilliseconds);
    poll();
  }

  function stopPolling() {
    clearInterval(poller);
    clearTimeout(patience);
    poller = patience = 0;
    notice.hidden = true;
  }

  function waitThenPoll() {
    if (poller || isOver()) return;
    clearTimeout(patience);
    patience = setTimeout(startPolling, PATIENCE_MILLISECONDS);
  }

  // The server lets a socket in before it knows whether Redis is there, so only a message counts as a connection.
  function reconnectDelay() {
    if (isOver()) return NEVER_MILLISECONDS;
    failedConnections += 1;
    const longest = Math.min(LONGEST_RECONNECT_MILLISECONDS, 500 * 2 ** failedConnections);
    return longest * (0.5 + Math.random() / 2);
  }

  function watch() {
    if (isOver()) return;
    window.htmx.config.wsReconnectDelay = reconnectDelay;
    live.addEventListener("htmx:wsAfterMessage", () => {
      failedConnections = 0;
      heardAt = Date.now();
      stopPolling();
    });
    live.addEventListener("htmx:wsClose", waitThenPoll);
    live.addEventListener("htmx:afterRequest", (event) => {
      if (event.detail.elt === live && isOver()) stopPolling();
    });
    document.addEventListener("visibilitychange", () => {
      if (poller) poll();
    });
    setInterval(() => {
      if (!poller && Date.now() - heardAt >= SILENCE_MILLISECONDS) poll();
    }, SILENCE_MILLISECONDS);
    // A socket that some proxy neither opens nor refuses.
    waitThenPoll();
  }

  // A poll that fails is repeated by itself, and the notice says so already.
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    live.addEventListener(name, (event) => {
      if (event.detail.elt !== live) return;
      event.stopPropagation();
      // Deleted in another window, or signed out: the whole page says what it is.
      const isGone = [401, 403, 404].includes(event.detail.xhr?.status);
      // Where little of the page is live (data-quiet), somebody may be typing in the rest.
      if (isGone && !("quiet" in live.dataset)) window.location.reload();
    });
  }

  let focusedId = "";
  let focusedPart = "";

  // A part that did not change stays: a focused button keeps the focus, a screen reader is not told twice. In one that
  // changed, what the reader has unfolded stays open and the focus stays where it was, or goes to the part when what
  // had it is gone.
  live.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { fragment, target } = event.detail;
    const incoming = fragment instanceof DocumentFragment ? fragment.firstElementChild : fragment;
    if (!incoming) return;
    for (const unfolded of target.querySelectorAll("details[id][open]")) {
      incoming.querySelector(`#${unfolded.id}`)?.setAttribute("open", "");
    }
    if (incoming.isEqualNode(target)) event.detail.shouldSwap = false;
    else if (target.contains(document.activeElement)) {
      focusedId = document.activeElement.id;
      focusedPart = target.id;
    }
  });

  live.addEventListener("htmx:oobAfterSwap", () => {
    const lost = document.getElementById(focusedId) ?? document.getElementById(focusedPart);
    focusedId = focusedPart = "";
    if (lost && lost !== document.activeElement) lost.focus({ preventScroll: true });
  });

  takeLateAnswers(live);
  watch();
}

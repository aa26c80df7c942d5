// An open conversation: when Enter sends, how the page follows the text, and what happens while the socket is down.

import { takeLateAnswers } from "./late_answers.js";

const POLL_MILLISECONDS = 2000;
const SOCKET_GRACE_MILLISECONDS = 2500;
const SILENCE_MILLISECONDS = 15000;
const LONGEST_RECONNECT_MILLISECONDS = 30000;
const BOTTOM_PIXELS = 48;
// Close codes of the server that no new try can mend.
const SIGNED_OUT = 4401;
const GONE = 4404;

const room = document.getElementById("chat-room");

function isAnswering() {
  return room.querySelector("[data-active]") !== null;
}

function say(sentence) {
  const status = document.getElementById("chat-status");
  if (status.textContent !== sentence) status.textContent = sentence;
}

// --- writing ---------------------------------------------------------------------------------------

let sentText = "";

function textBox() {
  return document.getElementById("composer_text");
}

// An Enter that ends a conversion of an input method must not send; Safari tells it by the key code alone.
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

// A touch keyboard has no Shift and Enter, so there Enter begins a new line.
const hasKeyboard = window.matchMedia("(hover: hover) and (pointer: fine)");

function sendOnEnter(event) {
  if (event.target !== textBox() || event.key !== "Enter" || isComposing(event)) return;
  if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey || !hasKeyboard.matches) return;
  event.preventDefault();
  if (isAnswering()) say(room.dataset.busy);
  else if (textBox().value.trim()) event.target.form.requestSubmit();
}

// The message goes behind the last one that this page shows; the server refuses it where another window went on.
function nameLastTurn(event) {
  if (event.target.id !== "composer") return;
  event.detail.parameters.after = log.querySelector(".turn:last-child")?.id.replace("turn-", "") ?? "";
}

function sendSuggestion(event) {
  const button = event.target.closest(".suggestion");
  if (!button) return;
  event.preventDefault();
  textBox().value = button.value;
  textBox().form.requestSubmit();
}

// Browsers without field-sizing get the height from the text.
function fitHeight() {
  if (!textBox() || CSS.supports("field-sizing", "content")) return;
  textBox().rows = Math.min(10, Math.max(1, textBox().value.split("\n").length));
}

function forgetFaults(form) {
  document.getElementById("composer-faults").replaceChildren();
  form.querySelectorAll(".field__error").forEach((fault) => fault.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  form.querySelector(".composer__settings").open = false;
}

function forgetSentText() {
  const box = textBox();
  // What was typed while the message was on its way stays.
  if (box.value.startsWith(sentText)) box.value = box.value.slice(sentText.length).trimStart();
  forgetFaults(box.form);
  fitHeight();
  follow = true;
  scrollToLatest();
}

room.addEventListener("keydown", sendOnEnter);
room.addEventListener("input", fitHeight);
room.addEventListener("click", sendSuggestion);
room.addEventListener("chat:sent", forgetSentText);
room.addEventListener("htmx:configRequest", nameLastTurn);
room.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "composer") sentText = textBox().value;
});

// --- following the text ----------------------------------------------------------------------------

const log = document.getElementById("conversation");
const latest = document.getElementById("jump-to-latest");
// An empty chat begins at its top.
let follow = log.querySelector(".turn") !== null;
let lastTop = window.scrollY;

function distanceToBottom() {
  return document.documentElement.scrollHeight - window.innerHeight - window.scrollY;
}

function scrollToLatest() {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  latest.hidden = true;
}

// Any movement upwards is the person's and lets go; reaching the bottom follows again.
function watchScroll() {
  const top = window.scrollY;
  if (distanceToBottom() < BOTTOM_PIXELS) follow = true;
  else if (top < lastTop) follow = false;
  lastTop = top;
  latest.hidden = follow || distanceToBottom() < BOTTOM_PIXELS;
}

window.addEventListener("scroll", watchScroll, { passive: true });
latest.addEventListener("click", () => {
  follow = true;
  scrollToLatest();
  textBox()?.focus({ preventScroll: true });
});
new ResizeObserver(() => {
  if (follow) scrollToLatest();
  else watchScroll();
}).observe(log);

// --- the socket, and polling in its place ------------------------------------------------------------

const poller = document.getElementById("chat-poll");
const connection = document.getElementById("chat-connection");
let socket = null;
let reconnect = () => {};
let isOver = false;
let failedConnections = 0;
let closedAt = performance.now();
let heardAt = performance.now();

function showOver(sentence) {
  isOver = true;
  connection.hidden = true;
  const notice = document.getElementById("chat-notice");
  notice.textContent = sentence;
  notice.hidden = false;
}

function isSocketMissing() {
  return !socket && !isOver && performance.now() - closedAt > SOCKET_GRACE_MILLISECONDS;
}

function poll() {
  poller.dispatchEvent(new CustomEvent("chat:refresh"));
}

// The server opens a socket before it knows whether Redis is there, so only a message counts as a connection.
window.htmx.config.wsReconnectDelay = () => {
  failedConnections += 1;
  const longest = Math.min(LONGEST_RECONNECT_MILLISECONDS, 500 * 2 ** failedConnections);
  return longest * (0.5 + Math.random() / 2);
};
// A reply of a turn that this page does not show, or not yet: the turn brings it along when it comes.
const SLOT = /hx-swap-oob="outerHTML:\[data-slot='([\w-]+)'\]"/;

room.addEventListener("htmx:wsBeforeMessage", (event) => {
  const slot = SLOT.exec(event.detail.message)?.[1];
  if (slot && !document.querySelector(`[data-slot='${slot}']`)) event.preventDefault();
});

room.addEventListener("htmx:wsOpen", (event) => {
  const { event: opened, socketWrapper } = event.detail;
  opened.target.addEventListener("message", () => {
    socket = opened.target;
    failedConnections = 0;
    heardAt = performance.now();
    connection.hidden = true;
  });
  reconnect = () => socketWrapper.reconnect();
});
room.addEventListener("htmx:wsClose", (event) => {
  const closed = event.detail.event;
  if (closed.code === SIGNED_OUT) showOver(room.dataset.signedOut);
  else if (closed.code === GONE) showOver(room.dataset.gone);
  // A socket that was replaced says goodbye after its successor has begun.
  if (closed.target !== socket) return;
  closedAt = performance.now();
  socket = null;
});

function keepInTouch() {
  const isMissing = isSocketMissing() && isAnswering();
  connection.hidden = !isMissing;
  if (isMissing) poll();
  // A socket may be dead without anybody having closed it: a laptop slept, a proxy forgot.
  if (socket && isAnswering() && performance.now() - heardAt > SILENCE_MILLISECONDS) {
    heardAt = performance.now();
    reconnect();
  }
}

setInterval(keepInTouch, POLL_MILLISECONDS);
// A page that was hidden may have missed what another window did.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && isSocketMissing()) poll();
});

// An answer to polling is older than what the socket has brought since.
poller.addEventListener("htmx:beforeOnLoad", (event) => {
  if (socket) event.preventDefault();
  else if (event.detail.xhr.status === 404) showOver(room.dataset.gone);
});
// It asks again by itself; a notice each time would only disturb.
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  poller.addEventListener(name, (event) => event.stopPropagation());
}

// What came by the answer to a click may have come by the socket before, and grown since: then it is dropped. So is a
// whole conversation that the server read before a change that this page shows already, or that the page still shows
// as it was loaded: to draw it again would take the focus, and a click that is under way.
let changedAt = 0;

function bringsNews(at, state) {
  return at >= changedAt && !(state && state === log.dataset.state);
}

room.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const { unless, at, state } = fragment.dataset ?? fragment.firstElementChild?.dataset ?? {};
  if (unless && document.getElementById(unless)) event.detail.shouldSwap = false;
  else if (target === log) event.detail.shouldSwap = bringsNews(Number(at ?? 0), state);
  // A vote that this page has shown already would come back under the person's hand.
  else if (state && state === target.dataset.state) event.detail.shouldSwap = false;
  else if (target.id === "chat-status") {
    event.detail.shouldSwap = target.textContent.trim() !== fragment.textContent.trim();
  }
  if (event.detail.shouldSwap && log.contains(target)) {
    changedAt = Math.max(changedAt, Number(at ?? 0));
    delete log.dataset.state;
    // The whole conversation comes once more by the socket, and is known by this.
    if (target === log && state) log.dataset.state = state;
  }
});
poller.addEventListener("htmx:beforeSwap", () => delete log.dataset.state);

takeLateAnswers(room, log);

new MutationObserver(() => {
  log.setAttribute("aria-busy", String(isAnswering()));
}).observe(log, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-active"] });

document.getElementById("stop-answers").addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  if (isAnswering()) say(room.dataset.stopping);
  if (!socket) poll();
});

room.dataset.live = "true";
fitHeight();

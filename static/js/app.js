// What every page needs: failed requests are told, refused forms get the focus, nothing is sent twice, menus close.

const TOAST_MILLISECONDS = 12000;
const BUSY_MILLISECONDS = 10000;
const BELL_MILLISECONDS = 20000;
const TOLD_NEWS = "told-news";

/** Show a sentence that goes away by itself, or at once by its button. */
export function showToast(text) {
  const region = document.getElementById("toasts");
  if (!region || !text) return;
  for (const shown of region.children) {
    if (shown.firstChild.textContent === text) return;
  }
  const toast = document.createElement("div");
  toast.className = "toast";
  const sentence = document.createElement("p");
  sentence.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "toast__close";
  close.setAttribute("aria-label", region.dataset.close);
  close.textContent = "×";
  close.addEventListener("click", () => toast.remove());
  toast.append(sentence, close);
  region.append(toast);
  // A person who reads or points at it keeps it.
  const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : toast.remove());
  setTimeout(leave, TOAST_MILLISECONDS);
}

function sentenceOf(status) {
  const { failed, refused } = document.getElementById("toasts").dataset;
  return status >= 500 ? failed : refused;
}

// Polling repeats by itself and shows its own state; a toast every few seconds would only disturb.
function isPolling(event) {
  return event.detail.elt?.matches?.("[hx-trigger*='every'], [hx-trigger='poll']") ?? false;
}

document.addEventListener("htmx:sendError", (event) => {
  if (!isPolling(event)) showToast(document.getElementById("toasts").dataset.offline);
});

document.addEventListener("htmx:timeout", (event) => {
  if (!isPolling(event)) showToast(document.getElementById("toasts").dataset.offline);
});

document.addEventListener("htmx:responseError", (event) => {
  if (!isPolling(event)) showToast(sentenceOf(event.detail.xhr.status));
});

// An answer may name a sentence to show: HX-Trigger: {"toast": "..."}.
document.addEventListener("toast", (event) => showToast(event.detail.value));

document.addEventListener("htmx:afterSettle", (event) => {
  if (![422, 429].includes(event.detail.xhr?.status)) return;
  const root = document.contains(event.detail.elt) ? event.detail.elt : document;
  focusFirstFault(root) || focusFirstFault(document);
});

function focusFirstFault(root) {
  const field = root.querySelector("[aria-invalid='true']");
  if (field) {
    field.focus();
    return true;
  }
  const alert = root.querySelector("[role='alert']");
  if (!alert) return false;
  alert.tabIndex = -1;
  alert.focus();
  return true;
}

// A plain form that is on its way is not sent again; htmx forms say so themselves with hx-disabled-elt.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post], [hx-put], [hx-delete], [ws-send]")) return;
  if (form.dataset.busy) {
    event.preventDefault();
    return;
  }
  form.dataset.busy = "true";
  event.submitter?.setAttribute("aria-busy", "true");
  setTimeout(() => release(form), BUSY_MILLISECONDS);
});

function release(form) {
  delete form.dataset.busy;
  form.querySelectorAll("[aria-busy='true']").forEach((button) => button.removeAttribute("aria-busy"));
}

// The back button brings a page out of the cache as it was left: with its form still busy.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-busy]").forEach(release);
});

// The bell asks for news while somebody looks at the page, and when they come back to it. It says up to where this tab
// has told them, so that what happened between two pages is told on the second.
const bell = () => document.getElementById("notification-bell");
const askForNews = () => document.hidden || bell()?.dispatchEvent(new CustomEvent("poll"));
const rememberNews = () => sessionStorage.setItem(TOLD_NEWS, bell().dataset.mark);

document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.elt === bell()) detail.parameters.mark = sessionStorage.getItem(TOLD_NEWS);
});
document.addEventListener("htmx:load", ({ detail }) => {
  if (detail.elt === bell()) rememberNews();
});

if (bell()) {
  if (sessionStorage.getItem(TOLD_NEWS) === null) rememberNews();
  if (sessionStorage.getItem(TOLD_NEWS) !== bell().dataset.mark) addEventListener("load", askForNews);
  setInterval(askForNews, BELL_MILLISECONDS);
  document.addEventListener("visibilitychange", askForNews);
}

document.addEventListener("click", (event) => closeMenus((menu) => !menu.contains(event.target)));

document.addEventListener("focusin", (event) => closeMenus((menu) => !menu.contains(event.target)));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("details[data-menu][open]");
  closeMenus(() => true);
  menu?.querySelector("summary").focus();
});

function closeMenus(matches) {
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (matches(menu)) menu.open = false;
  });
}

// On a small screen the tab of this page may stand beyond the edge of its bar.
document.querySelectorAll(".tabs [aria-current]").forEach((tab) => {
  const bar = tab.closest(".tabs");
  const place = tab.getBoundingClientRect();
  bar.scrollLeft += place.left + place.width / 2 - bar.getBoundingClientRect().left - bar.clientWidth / 2;
});

// A page that came back with faults starts at the first of them.
focusFirstFault(document.querySelector("main") ?? document);

// A live job page.

import { keepLive } from "./live_page.js";

const POLL_MILLISECONDS = 3000;

const live = document.getElementById("job-live");

live.addEventListener("htmx:afterRequest", (event) => {
  const dialog = event.detail.elt.closest("[popover]");
  if (dialog?.matches(":popover-open")) dialog.hidePopover();
});

keepLive(live, document.getElementById("job-paused"), POLL_MILLISECONDS);

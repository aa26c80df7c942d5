// A page of a class: all of it is live, or the tabs alone.

import { keepLive } from "./live_page.js";

const POLL_MILLISECONDS = 10000;

keepLive(
  document.getElementById("class-live"),
  document.getElementById("class-paused") ?? document.createElement("p"),
  POLL_MILLISECONDS,
);

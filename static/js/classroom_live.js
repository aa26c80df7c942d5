// A live page of a class.

import { keepLive } from "./live_page.js";

const POLL_MILLISECONDS = 10000;

keepLive(
  document.getElementById("class-live"),
  document.getElementById("class-paused"),
  POLL_MILLISECONDS,
);

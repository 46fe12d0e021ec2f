// What every page has: theme, clock, keys. A page's own module calls setUpFrame with its keys.

import { hourMinute, isoDate, zoneName } from "./format.js";
import { setUpKeys } from "./keys.js";
import { setUpTheme } from "./theme.js";

const CLOCK_EVERY_MS = 1_000;

/** Bind the frame. `actions`: key → function, beside those of every page. */
export function setUpFrame(actions = {}) {
  const list = document.getElementById("keys");
  const switchTheme = setUpTheme(document.getElementById("theme"));
  setUpKeys({ t: switchTheme, "?": () => (list.open ? list.close() : list.showModal()), ...actions });
  localTimes();
  showClock();
  setInterval(showClock, CLOCK_EVERY_MS);
}

/** Times the server painted in UTC, in the reader's own zone. */
function localTimes() {
  for (const element of document.querySelectorAll("time[data-hour-minute]")) {
    const ms = Date.parse(element.dateTime);
    const today = new Date(ms).toDateString() === new Date().toDateString();
    element.textContent = today ? hourMinute(ms) : `${isoDate(ms)} ${hourMinute(ms)}`;
    element.title = element.dateTime;
  }
}

function showClock() {
  const clock = document.getElementById("clock");
  const text = `${hourMinute(Date.now())} ${zoneName(new Date().getTimezoneOffset())}`;
  if (clock.textContent !== text) clock.textContent = text;
}

// A page on paper: light, laid out for the width of a sheet, with charts drawn for that width, and
// with a line that names its time range and time zone.

import { page } from "../page.js";
import { part, setText } from "../text.js";
import { CHANGED } from "./theme.js";

/** Sent to `document` once the layout is the paper's, and again when it is the screen's: charts fit. */
export const FITTED = "mallard:fitted";
const root = document.documentElement;

export function setUpPrinting() {
  addEventListener("beforeprint", prepare);
  addEventListener("afterprint", restore);
  // What shows a print preview by itself sends no events.
  matchMedia("print").addEventListener("change", ({ matches }) => (matches ? prepare() : restore()));
}

let theme = null;

function prepare() {
  if (theme !== null) return;
  theme = root.dataset.bsTheme;
  root.dataset.bsTheme = "light";
  root.classList.add("printing");
  setText(part("print-note"), note());
  fit();
}

function restore() {
  if (theme === null) return;
  root.dataset.bsTheme = theme;
  theme = null;
  root.classList.remove("printing");
  fit();
}

function fit() {
  document.dispatchEvent(new Event(CHANGED));
  document.dispatchEvent(new Event(FITTED));
}

function note() {
  const { startMs, endMs } = page.range();
  const zone = `${page.zone.label(endMs)}, ${page.zone.name}`;
  const span = `${page.zone.dateTime(startMs)} – ${page.zone.dateTime(endMs)}`;
  return `Time range ${span} (${zone}). Printed ${page.zone.dateTime(page.nowMs())} from ${location.origin}${location.pathname}`;
}

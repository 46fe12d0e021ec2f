// Parts of a page that the server renders: at each refresh the page is fetched again, and every
// element with an id and `data-reload` is replaced. Focus, opened details, what was typed and not
// sent yet, and scroll positions stay. A failed refresh is reported above the page. Where all parts
// are `data-reload="by-hand"` the timer leaves them alone: nobody reads a list that moves.
//
// "replaced" of the page comes with each new part before the focus is put back, "reloaded" after all.
//
// Times are shown in the zone of the page (`<time data-time>`), ages count on (`data-age-of`).

import { duration } from "./formats.js";
import { page } from "./page.js";
import { make, setText } from "./text.js";

const AGES_EVERY_MS = 1_000;
let requests = 0;
let loadedAtMs = page.nowMs();
let failure = null;
let search = location.search;

/** Fetch this address again and show it. Of two answers on their way the later request counts. */
async function reload() {
  const number = ++requests;
  try {
    const fresh = await page.getHtml(location.href);
    if (number !== requests) return;
    replaceParts(fresh);
    failure = null;
  } catch (error) {
    if (number !== requests) return;
    failure = error.message;
  }
  showAges();
}

function replaceParts(fresh) {
  // What was chosen or typed and not sent yet stays, unless the reader went somewhere else.
  const here = search === location.search;
  search = location.search;
  for (const part of document.querySelectorAll("[data-reload]")) {
    const other = fresh.getElementById(part.id);
    if (other) replacePart(part, document.adoptNode(other), here);
  }
  loadedAtMs = page.nowMs();
  page.dispatchEvent(new Event("reloaded"));
}

function replacePart(part, other, here) {
  const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  const focused = part.contains(document.activeElement) ? address(document.activeElement) : null;
  const filled = here ? [...part.querySelectorAll("input[id], select[id]")].filter(isChanged).map(({ id, value }) => [id, value]) : [];
  const caret = document.activeElement?.selectionStart ?? null;
  const scrolled = [...part.querySelectorAll("[data-scroll]")].map((each) => [each.scrollLeft, each.scrollTop]);
  part.replaceChildren(...other.childNodes);
  for (const { name, value } of other.attributes) part.setAttribute(name, value);
  page.dispatchEvent(new CustomEvent("replaced", { detail: part }));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll("[data-scroll]").forEach((each, i) => each.scrollTo(...(scrolled[i] ?? [0, 0])));
  for (const [id, value] of filled) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  if (focused) refocus(part.querySelector(focused), caret);
  localise(part);
}

function showAges() {
  for (const each of document.querySelectorAll("[data-age-of]")) {
    const ms = page.nowMs() - Date.parse(each.dataset.ageOf);
    setText(each, duration(ms / 1000));
  }
  showFailure();
}

function showFailure() {
  let box = document.getElementById("not-current");
  page.element.toggleAttribute("data-not-current", failure !== null);
  if (failure === null) {
    box?.remove();
    return;
  }
  if (!box) {
    box = make("p", { id: "not-current", class: "notice error", role: "alert" }, make("span", {}, ""));
    page.element.prepend(box);
  }
  const at = page.zone.hourMinuteSecond(loadedAtMs);
  // The age is in the title alone: a screen reader announces the sentence once.
  setText(box.firstChild, `This page could not be refreshed: ${failure}. It shows the state of ${at}.`);
  box.title = `${duration((page.nowMs() - loadedAtMs) / 1000)} ago`;
}

/** Show times, which the server renders in UTC, in the zone of the page. */
export function localise(root) {
  for (const time of root.querySelectorAll("time[data-time], time[data-time-seconds]")) {
    const ms = Date.parse(time.dateTime);
    // Of a range both ends have their day: "02:50 to 02:50" would be nothing.
    const today = page.zone.date(ms) === page.zone.date(page.nowMs()) && !("dated" in time.dataset);
    const day = today ? "" : `${page.zone.date(ms)} `;
    const clock = "timeSeconds" in time.dataset ? page.zone.hourMinuteSecond(ms) : page.zone.hourMinute(ms);
    setText(time, day + clock);
    time.title = time.dateTime;
  }
}

/** Whether a field differs from what the server rendered. Boxes are the page's own. */
function isChanged(field) {
  if (field.localName === "select") return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > -1;
  return field.type !== "checkbox" && field.type !== "hidden" && field.value !== field.defaultValue;
}

function refocus(element, caret) {
  element?.focus({ preventScroll: true });
  if (caret !== null && element?.setSelectionRange) element.setSelectionRange(caret, caret);
}

/** A selector that finds the same control in the new part. */
function address(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href ? `${element.localName}[href="${CSS.escape(href)}"]` : null;
}

const parts = [...document.querySelectorAll("[data-reload]")];
if (parts.length) page.onRefresh(reload, { now: false, timer: parts.some(({ dataset }) => dataset.reload !== "by-hand") });
page.addEventListener("moved", () => localise(document));
localise(document);
showAges();
setInterval(() => document.hidden || showAges(), AGES_EVERY_MS);

// Parts of a page that the server paints, kept current: fetched again, and put in the old ones' place.
//
// A part is any element with an id and data-repaint. Times in it are told in the reader's zone, ages
// go on between two fetches, and a fetch that failed is said above the parts, which then say how old
// they are. What the reader has open (details, the focus) stays as it is.

import { duration } from "../formats.js";
import { page } from "../page.js";
import { make, setText } from "../text.js";

const TIMEOUT_MS = 10_000;
const AGES_EVERY_MS = 1_000;
const REFUSED = new Set([401, 403]);

export class Repaint extends EventTarget {
  #asked = 0;
  #paintedAtMs = page.nowMs();
  #complaint = null;
  #search = location.search;

  /** `own`: repaint only when told by `now()`; else whenever the page asks anew. */
  constructor({ own = false } = {}) {
    super();
    localise(document);
    if (!own) this.#follow();
    setInterval(() => document.hidden || this.#showAges(), AGES_EVERY_MS);
    this.#showAges();
  }

  /** Fetch this address again and show what came. Of two answers on their way the later one counts. */
  async now() {
    const number = ++this.#asked;
    try {
      const response = await fetch(location.href, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (REFUSED.has(response.status) || response.url.includes("/login/")) {
        page.dispatchEvent(new Event("loggedout"));
        throw new Error("you are logged out");
      }
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      if (number !== this.#asked) return;
      this.#replace(fresh);
      this.#complain(null);
    } catch (error) {
      if (number !== this.#asked) return;
      const slow = error.name === "TimeoutError" ? "the server did not answer in 10 s" : null;
      const gone = error.name === "TypeError" ? "the server cannot be reached" : null;
      this.#complain(slow ?? gone ?? error.message);
    }
  }

  #follow() {
    let first = true; // the first paint is fresh
    page.onRefresh(() => {
      if (!first) this.now();
      first = false;
    });
  }

  #replace(fresh) {
    // What was chosen or typed and not sent yet is kept, unless the reader went somewhere else.
    const here = this.#search === location.search;
    this.#search = location.search;
    for (const part of document.querySelectorAll("[data-repaint]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
      const focused = part.contains(document.activeElement) ? address(document.activeElement) : null;
      const filled = here ? [...part.querySelectorAll("input[id], select[id]")].filter(isChanged).map(({ id, value }) => [id, value]) : [];
      const caret = document.activeElement?.selectionStart ?? null;
      const scrolled = [...part.querySelectorAll("[data-scroll]")].map((each) => [each.scrollLeft, each.scrollTop]);
      part.replaceChildren(...document.adoptNode(other).childNodes);
      for (const { name, value } of other.attributes) part.setAttribute(name, value);
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      part.querySelectorAll("[data-scroll]").forEach((each, i) => each.scrollTo(...(scrolled[i] ?? [0, 0])));
      for (const [id, value] of filled) {
        const field = document.getElementById(id);
        if (field) field.value = value;
      }
      if (focused) refocus(part.querySelector(focused), caret);
      localise(part);
    }
    this.#paintedAtMs = page.nowMs();
    this.#showAges();
    this.dispatchEvent(new Event("painted"));
  }

  #complain(reason) {
    this.#complaint = reason;
    this.#showAges();
  }

  #showAges() {
    for (const each of document.querySelectorAll("[data-age-of]")) {
      const ms = page.nowMs() - Date.parse(each.dataset.ageOf);
      setText(each, duration(ms / 1000));
    }
    let box = document.getElementById("not-current");
    if (!this.#complaint) {
      box?.remove();
      page.element.removeAttribute("data-not-current");
      return;
    }
    if (!box) {
      box = make("p", { id: "not-current", class: "notice error", role: "alert" }, make("span", {}, ""));
      page.element.prepend(box);
    }
    const at = page.zone.hourMinuteSecond(this.#paintedAtMs);
    const ago = duration((page.nowMs() - this.#paintedAtMs) / 1000);
    // The age is counted on by the eye alone: a screen reader is told once.
    setText(box.firstChild, `This page could not be refreshed: ${this.#complaint}. It shows what was at ${at}.`);
    box.title = `${ago} ago`;
    page.element.setAttribute("data-not-current", "");
  }
}

/** Times that the server painted in UTC, in the zone of the page. */
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

/** Whether a field says something else than what the server painted. Boxes are the page's own. */
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

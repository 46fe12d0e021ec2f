// The page a reader has open: its range, refresh and time zone, all of which live in the URL, and the
// moments at which its panels ask anew. docs/dashboard.md says how a page uses it.

import { carrying, changed, parseParams, rfc3339 } from "./params.js";
import { ServerClock } from "./live/clock.js";
import { Zone } from "./times.js";

const TIMEOUT_MS = 10_000;
const REFUSED = new Set([401, 403]);

/** The server answered an error, or nothing. `message` completes "could not be loaded: …". */
export class AskError extends Error {}

class Page extends EventTarget {
  #tasks = [];
  #round = new Map();
  #timer = null;
  #askedAtMs = -Infinity;
  #search = location.search;

  constructor() {
    super();
    this.facts = JSON.parse(document.getElementById("facts").textContent);
    this.element = document.getElementById("page");
    this.clock = new ServerClock();
    this.clock.learn(this.facts.totals.at);
    this.zone = new Zone(this.range().zone);
    addEventListener("popstate", () => this.#moved());
    document.addEventListener("visibilitychange", () => this.#schedule());
  }

  /** The server's clock, as far as it is known here. */
  nowMs() {
    return this.clock.nowMs();
  }

  /** What the URL asks: {range, startMs, endMs, lengthMs, query, refresh, refreshMs, zone}. */
  range() {
    return parseParams(location.search, this.nowMs());
  }

  /** A parameter of the URL, of the page's own. */
  param(name, otherwise = "") {
    return new URLSearchParams(location.search).get(name) ?? otherwise;
  }

  /**
   * Change parameters of the URL (null takes one out) and ask anew. Back undoes it, unless
   * `replace`: for what is typed letter by letter.
   */
  set(changes, { replace = false } = {}) {
    const search = changed(location.search, changes);
    if (search === location.search) return;
    const url = `${location.pathname}${search}${location.hash}`;
    if (replace) history.replaceState(history.state, "", url);
    else history.pushState({}, "", url);
    this.#moved();
  }

  /** Show [startMs, endMs]; `zoomOut` leads back. */
  zoomIn(startMs, endMs) {
    const search = changed(location.search, { range: null, from: rfc3339(startMs), to: rfc3339(endMs) });
    history.pushState({ zoomed: true }, "", `${location.pathname}${search}${location.hash}`);
    this.#moved();
  }

  /** Go back to the range before zooming in. */
  zoomOut() {
    if (history.state?.zoomed) history.back();
  }

  /** Call `task()` now, and whenever the page asks anew: range changed, timer, key, back in sight. */
  onRefresh(task) {
    this.#tasks.push(task);
    this.#schedule();
    return task();
  }

  /** Ask anew, now, and the live connection for everything: the reader wishes it. */
  refresh() {
    this.dispatchEvent(new Event("refresh"));
    this.askAgain();
  }

  /** Let every panel ask anew. */
  askAgain() {
    this.#round.clear();
    this.#askedAtMs = performance.now();
    for (const task of this.#tasks) task();
    this.#schedule();
  }

  /**
   * Ask the read API, `page.get("email/throughput", {direction: "outbound"})`, for the page's range
   * (and time zone, where `width` is a day) unless `params` say otherwise (null takes one out). Of the same question in one
   * round there is one request. Rejects with AskError; an ended session is told by the frame.
   */
  get(path, params = {}) {
    const { query } = this.range();
    const own = "range" in params || "from" in params ? {} : query;
    // Only days begin at other times in other zones.
    const tz = params.width === "1d" ? this.zone.name : null;
    const search = changed("", { ...own, tz, ...params });
    return this.ask(`/api/v1/${path}${search}`);
  }

  /** The same of any address of this site that answers JSON. */
  ask(url) {
    if (!this.#round.has(url)) {
      const answer = this.#fetch(url);
      this.#round.set(url, answer);
      answer.catch(() => this.#round.delete(url)); // trying again asks again
    }
    return this.#round.get(url);
  }

  async #fetch(url) {
    let response;
    try {
      response = await fetch(url, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new AskError(error.name === "TimeoutError" ? "the server did not answer in 10 s" : "the server cannot be reached");
    }
    if (REFUSED.has(response.status)) {
      this.dispatchEvent(new Event("loggedout"));
      throw new AskError("you are logged out");
    }
    if (response.ok) return response.json();
    throw new AskError(await reason(response));
  }

  /** `href` with the range, refresh and zone of this page, and `params` of its own. */
  href(path, params = {}) {
    return carrying(`${path}${changed("", params)}`, location.search);
  }

  /** An address that shows the same to everybody: its range is fixed, its time zone named. */
  link(id = "") {
    const { startMs, endMs } = this.range();
    const fixed = { range: null, from: rfc3339(startMs), to: rfc3339(endMs), tz: this.zone.name };
    return `${location.origin}${location.pathname}${changed(location.search, fixed)}${id && `#${id}`}`;
  }

  #moved() {
    if (location.search === this.#search) return; // a link inside the page
    this.#search = location.search;
    const { zone } = this.range();
    this.zone = new Zone(zone);
    this.dispatchEvent(new Event("moved"));
    this.askAgain();
  }

  /** One timer; none while nobody looks. Back in sight, what is overdue is asked at once. */
  #schedule() {
    clearTimeout(this.#timer);
    const { refreshMs } = this.range();
    if (document.hidden || refreshMs === null || !this.#tasks.length) return;
    if (this.#askedAtMs === -Infinity) this.#askedAtMs = performance.now();
    const waitMs = Math.max(0, this.#askedAtMs + refreshMs - performance.now());
    this.#timer = setTimeout(() => this.askAgain(), waitMs);
  }
}

/** What a 400 says is wrong, else the status. */
async function reason(response) {
  if (response.status === 400) {
    const said = await response.json().catch(() => ({}));
    const words = Object.entries(said).map(([name, texts]) => `${name}: ${[texts].flat().join(" ")}`);
    if (words.length) return words.join("; ");
  }
  const id = response.status >= 500 && response.headers.get("X-Request-Id");
  return `the server answered ${response.status}${id ? ` (${id} in its log)` : ""}`;
}

export const page = new Page();

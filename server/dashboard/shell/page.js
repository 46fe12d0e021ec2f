// The open page: range, refresh and time zone, all of which live in the URL, and the one way in which
// it gets new data: tasks that run at each refresh, and requests with a deadline. See docs/dashboard.md.

import { carrying, changed, parseParams, rfc3339 } from "./params.js";
import { ServerClock } from "./live/clock.js";
import { Zone } from "./times.js";

const TIMEOUT_MS = 10_000;
const REFUSED = new Set([401, 403]);

/** The server answered an error, or nothing. `message` completes "could not be loaded: …". */
export class RequestError extends Error {}

class Page extends EventTarget {
  #tasks = [];
  #round = new Map();
  #timer = null;
  #refreshedAtMs = performance.now();
  #everyMs = null;
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

  nowMs() {
    return this.clock.nowMs();
  }

  /** Parameters of the URL: {range, startMs, endMs, lengthMs, query, refresh, refreshMs, zone}. */
  range() {
    return parseParams(location.search, this.nowMs());
  }

  /** A parameter of the URL, of the page's own. */
  param(name, otherwise = "") {
    return new URLSearchParams(location.search).get(name) ?? otherwise;
  }

  /**
   * Change parameters of the URL (null removes one) and refresh. Back undoes it, unless
   * `replace`: for what is typed letter by letter.
   */
  set(changes, { replace = false, state = {} } = {}) {
    const search = changed(location.search, changes);
    if (search === location.search) return;
    const url = `${location.pathname}${search}${location.hash}`;
    if (replace) history.replaceState(history.state, "", url);
    else history.pushState(state, "", url);
    this.#moved();
  }

  /** Show [startMs, endMs]; `zoomOut` leads back. */
  zoomIn(startMs, endMs) {
    this.set({ range: null, from: rfc3339(startMs), to: rfc3339(endMs) }, { state: { zoomed: true } });
  }

  zoomOut() {
    if (history.state?.zoomed) history.back();
  }

  /**
   * Run `task()` at each refresh: changed range, the reader's wish, timer, back in sight, connection
   * found again. `now`: run it at once, too. `timer`: false for what only the reader refreshes.
   */
  onRefresh(task, { now = true, timer = true } = {}) {
    this.#tasks.push({ task, timer });
    this.#schedule();
    return now ? task() : undefined;
  }

  /** Refresh every `ms` unless the URL names another interval. */
  refreshEvery(ms) {
    this.#everyMs = ms;
    this.#schedule();
  }

  /** Refresh because the reader wishes it; the live connection sends everything again. */
  refresh() {
    this.dispatchEvent(new Event("refresh"));
    this.#run(this.#tasks);
  }

  /** Refresh without a wish of the reader. */
  autoRefresh() {
    this.#run(this.#tasks.filter(({ timer }) => timer));
  }

  /**
   * Get JSON of the read API, `page.get("email/throughput", {direction: "outbound"})`, for the page's
   * range (and time zone, where `width` is a day) unless `params` name others (null removes one).
   * One request for the same URL in one refresh. Rejects with RequestError.
   */
  get(path, params = {}) {
    const { query } = this.range();
    const own = "range" in params || "from" in params ? {} : query;
    // Only days begin at other times in other zones.
    const tz = params.width === "1d" ? this.zone.name : null;
    const search = changed("", { ...own, tz, ...params });
    return this.getJson(`/api/v1/${path}${search}`);
  }

  /** The same for any address of this site that answers JSON. */
  getJson(url) {
    if (!this.#round.has(url)) {
      const answer = this.#fetch(url, "application/json", (response) => response.json());
      this.#round.set(url, answer);
      answer.catch(() => this.#round.delete(url)); // the next try sends a request
    }
    return this.#round.get(url);
  }

  /** The document of a page of this site. Rejects with RequestError. */
  async getHtml(url) {
    const text = await this.#fetch(url, "text/html", (response) => response.text());
    return new DOMParser().parseFromString(text, "text/html");
  }

  async #fetch(url, accept, read) {
    try {
      const response = await fetch(url, { headers: { Accept: accept }, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (REFUSED.has(response.status) || new URL(response.url).pathname.startsWith("/login/")) {
        this.dispatchEvent(new Event("loggedout"));
        throw new RequestError("you are logged out");
      }
      if (!response.ok) throw new RequestError(await reason(response));
      return await read(response);
    } catch (error) {
      if (error instanceof RequestError || error instanceof SyntaxError) throw error;
      throw new RequestError(error.name === "TimeoutError" ? "the server did not answer in 10 s" : "the server cannot be reached");
    }
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
    this.zone = new Zone(this.range().zone);
    this.dispatchEvent(new Event("moved"));
    this.#run(this.#tasks);
  }

  #run(tasks) {
    this.#round.clear();
    this.#refreshedAtMs = performance.now();
    for (const { task } of tasks) task();
    this.#schedule();
  }

  /** One timer; none while the tab is hidden. Back in sight, an overdue refresh comes at once. */
  #schedule() {
    clearTimeout(this.#timer);
    const { refreshMs } = this.range();
    const everyMs = this.param("refresh") ? refreshMs : (this.#everyMs ?? refreshMs);
    if (document.hidden || everyMs === null || !this.#tasks.some(({ timer }) => timer)) return;
    const waitMs = Math.max(0, this.#refreshedAtMs + everyMs - performance.now());
    this.#timer = setTimeout(() => this.autoRefresh(), waitMs);
  }
}

/** The messages of a 400, else the status. */
async function reason(response) {
  if (response.status === 400) {
    const errors = await response.json().catch(() => ({}));
    const messages = Object.entries(errors).map(([name, texts]) => `${name}: ${[texts].flat().join(" ")}`);
    if (messages.length) return messages.join("; ");
  }
  const id = response.status >= 500 && response.headers.get("X-Request-Id");
  return `the server answered ${response.status}${id ? ` (${id} in its log)` : ""}`;
}

export const page = new Page();

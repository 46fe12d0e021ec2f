// The live connection of every page: the socket, its state in the header, the age of the data.
// A page's module imports `live` and listens: live.onFrame(frame => …).

import { duration, frameAge, stopwatch } from "../formats.js";
import { LiveSocket, socketUrl } from "./socket.js";
import { page } from "../page.js";
import { make, part, setData, setText } from "../text.js";

const BEAT_MS = 250;
const { element, facts } = page;

class Live {
  #listeners = [];
  #stateListeners = [];
  #staysOpen = false;
  #wasLive = false;
  /** The totals of the newest frame, as live.messages makes them; at first those of the first paint. */
  totals = facts.totals;

  constructor() {
    this.socket = new LiveSocket({
      url: socketUrl(facts.live_url, location),
      onFrame: (frame) => this.#take(frame),
      onState: (state) => this.#changed(state),
    });
    page.addEventListener("refresh", () => this.#catchUp());
    page.addEventListener("loggedout", () => {
      this.socket.pause();
      this.#changed("loggedout");
    });
    document.addEventListener("visibilitychange", () => this.#look());
    this.#look();
    setInterval(() => document.hidden || this.#show(), BEAT_MS);
  }

  /** Call `listener` with every frame; while the tab is hidden only where `hidden`. */
  onFrame(listener, { hidden = false } = {}) {
    this.#listeners.push({ listener, hidden });
  }

  /** Call `listener` when the connection changed. */
  onState(listener) {
    this.#stateListeners.push(listener);
  }

  /** Whether the connection stays open while the tab is hidden: somebody wants to be notified. */
  stayOpen(staysOpen) {
    if (staysOpen === this.#staysOpen) return;
    this.#staysOpen = staysOpen;
    if (document.hidden) this.#look();
  }

  /** The level of the sentence; none while it is not of now. */
  level() {
    const isCurrent = ["live", "connecting"].includes(element.dataset.connection);
    return isCurrent ? this.totals.sentence.level : "none";
  }

  /** How old the newest sample of any node is, in seconds; null when none ever came. */
  dataAgeS() {
    const { newest_sample_at: newestSampleAt } = this.totals.nodes;
    return newestSampleAt === null ? null : Math.max(0, (page.nowMs() - Date.parse(newestSampleAt)) / 1000);
  }

  /** Whether the newest sample of any node is so old that nothing here is current. */
  isStale() {
    const age = this.dataAgeS();
    return age !== null && age > facts.offline_after_s;
  }

  #take(frame) {
    this.totals = frame;
    page.clock.learn(frame.at);
    for (const { listener, hidden } of this.#listeners) if (hidden || !document.hidden) listener(frame);
    this.#show();
  }

  #changed(state) {
    setData(element, "connection", state);
    setData(part("connection"), "connection", state);
    if (state === "live" && this.#wasLive) page.autoRefresh(); // what happened while the connection was lost
    this.#wasLive ||= state === "live";
    this.#show();
    for (const listener of this.#stateListeners) listener();
  }

  #catchUp() {
    if (element.dataset.connection === "loggedout") return;
    if (this.socket.state === "live") this.socket.requestSnapshot();
    else if (this.socket.state !== "connecting") this.socket.start();
  }

  #look() {
    if (!document.hidden) this.socket.start();
    else if (!this.#staysOpen) this.socket.pause();
    else if (this.socket.state === "paused") this.socket.start();
  }

  #show() {
    const silentS = this.socket.silentMs() / 1000;
    const state = element.dataset.connection;
    const lost = `connection lost ${duration(silentS)} ago, reconnecting`;
    setText(part("state"), { live: "live", lost, loggedout: "logged out", paused: "paused" }[state] ?? "connecting…");
    setText(part("frame-age"), state === "live" ? frameAge(silentS) : "");
    part("login").hidden = state !== "loggedout";

    const age = this.dataAgeS();
    const stale = this.isStale();
    setData(element, "data", age === null ? "never" : stale ? "stale" : "fresh");
    setData(element, "empty", String(this.totals.nodes.known === 0 && !hasMail(this.totals.hour)));
    part("data-age").toggleAttribute("data-stale", stale);
    setText(part("data-age"), age === null ? "no sample yet" : `newest sample ${duration(age)} ago`);

    const cutOff = state === "lost" || state === "loggedout";
    const asOf = `as of ${duration(silentS)} ago`;
    const greyNote = cutOff ? asOf : stale ? `last data ${stopwatch(age)} ago` : "";
    for (const note of document.querySelectorAll("[data-grey-note]")) setText(note, greyNote);
    // What ended before the newest sample is as true as ever.
    const past = age !== null && page.range().endMs < Date.parse(this.totals.nodes.newest_sample_at);
    element.toggleAttribute("data-past", past);
    this.#showSentence(cutOff, asOf);
  }

  /** The server's sentence. Cut off, only the past is known: it has no level, and ages stand still. */
  #showSentence(cutOff, asOf) {
    const box = part("verdict");
    if (!box) return;
    const { level, parts } = this.totals.sentence;
    const nowMs = cutOff ? Date.parse(this.totals.at) : page.nowMs();
    const nodes = parts.map((each) => sentencePart(each, nowMs));
    if (cutOff) nodes.unshift(`A${asOf.slice(1)}: `);
    setData(box, "level", cutOff ? "none" : level);
    const text = nodes.map((node) => node.textContent ?? node).join("");
    const shown = part("verdict-text");
    if (shown.textContent !== text) shown.replaceChildren(...nodes);
  }
}

/** A part of a sentence: text, a time of day, or an age. */
function sentencePart(each, nowMs) {
  if (typeof each === "string") return each;
  const at = each.time ?? each.age_of;
  const ms = Date.parse(at);
  return make("time", { datetime: at }, each.time ? page.zone.hourMinute(ms) : duration((nowMs - ms) / 1000));
}

function hasMail(hour) {
  return Object.values(hour).some((counts) => Object.values(counts).some(Boolean));
}

export const live = new Live();

// The page /email-flow/: wires socket, counters, verdict and charts. What is computed is elsewhere.

import { ServerClock } from "./clock.js";
import { Counters } from "./counters.js";
import { FlowCard } from "./flow_card.js";
import { duration, frameAge, rate, stopwatch, thousands } from "./format.js";
import { setUpFrame } from "./frame.js";
import { LiveSocket, socketUrl } from "./live.js";
import { Seconds } from "./rates.js";
import { verdict } from "./verdict.js";

const BEAT_MS = 250;
const CHART_EVERY_MS = 1_000;
const THROUGHPUT_EVERY_MS = 30_000;

const facts = JSON.parse(document.getElementById("facts").textContent);
const page = document.getElementById("page");
const part = (name) => document.querySelector(`[data-part="${name}"]`);

const clock = new ServerClock();
const seconds = new Seconds();
const counters = new Counters(page);
let { totals } = facts;
clock.heard(totals.at);

const socket = new LiveSocket({
  url: socketUrl(facts.live_url, location),
  onFrame: take,
  onState: showState,
});

const historyUntil = facts.demo_history_until && Date.parse(facts.demo_history_until);
const charts = import("./charts.js");
const flowChart = charts.then(({ FlowChart }) => new FlowChart(part("chart"), { historyUntil }));
const flowCard = new FlowCard(part("flow-card"), flowChart, { onLoggedOut: loggedOut });
let rateChart = null;
let rates = [];
let wasLive = false;
charts.then(({ RateChart, RATES }) => {
  rateChart = new RateChart(part("rate-chart"));
  rates = RATES;
});

function take(frame) {
  totals = frame;
  clock.heard(frame.at);
  seconds.take(frame);
  counters.show(frame.hour);
  showInferred(frame.hour.inferred);
  showAges();
}

/** How old the newest sample of any node is, in seconds; null when none ever came. */
function dataAgeS() {
  const { heard_at: heardAt } = totals.nodes;
  return heardAt === null ? null : Math.max(0, (clock.nowMs() - Date.parse(heardAt)) / 1000);
}

function isStale() {
  const age = dataAgeS();
  return age !== null && age > facts.offline_after_s;
}

function showState(state) {
  page.dataset.connection = state;
  if (state === "live" && wasLive) flowCard.load(); // what happened while nobody listened
  wasLive ||= state === "live";
  showAges();
}

function loggedOut() {
  socket.pause();
  showState("loggedout");
}

function showAges() {
  const silentS = socket.silentMs() / 1000;
  const state = page.dataset.connection;
  const lost = `connection lost ${duration(silentS)} ago, reconnecting`;
  setText(part("state"), { live: "live", lost, loggedout: "logged out", paused: "paused" }[state] ?? "connecting…");
  setText(part("frame-age"), state === "live" ? frameAge(silentS) : "");
  part("login").hidden = state !== "loggedout";

  const age = dataAgeS();
  const mailCounted = Object.values(totals.hour).some((counts) => Object.values(counts).some(Boolean));
  page.dataset.data = age !== null ? (isStale() ? "stale" : "fresh") : "never";
  page.dataset.empty = String(totals.nodes.known === 0 && !mailCounted);
  setText(part("data-age"), age === null ? "no node heard yet" : `nodes heard ${duration(age)} ago`);

  const cutOff = state === "lost" || state === "loggedout";
  const asOf = `as of ${duration(silentS)} ago`;
  const greyNote = cutOff ? asOf : isStale() ? `last data ${stopwatch(age)} ago` : "";
  for (const note of document.querySelectorAll("[data-grey-note]")) setText(note, greyNote);

  // Cut off, we know only what was: no judgement of the present.
  const { level, text } = verdict(totals, cutOff ? Date.parse(totals.at) : clock.nowMs());
  part("verdict").dataset.level = cutOff ? "none" : level;
  setText(part("verdict-text"), cutOff ? `A${asOf.slice(1)}: ${text}` : text);
}

function showInferred(count) {
  const note = part("inferred");
  note.hidden = count === 0;
  const [noun, verb] = count === 1 ? ["outcome", "is"] : ["outcomes", "are"];
  setText(note, `${thousands(count)} of these ${noun} ${verb} inferred by the change stream.`);
}

function showRates() {
  if (!rateChart || !Number.isFinite(seconds.knownUntilS)) return;
  const nowS = clock.nowMs() / 1000;
  const heardUntilS = isStale() ? Date.parse(totals.nodes.heard_at) / 1000 : Infinity;
  const lines = rates.map(({ field }) => seconds.series(field, nowS, heardUntilS));
  rateChart.show(lines);
  rates.forEach(({ field }, i) => {
    setText(document.querySelector(`[data-rate="${field}"]`), rate(lines[i].at(-1)[1]));
  });
  part("rate-chart").dataset.loaded = "";
}

/** Text is set only when it changed: a screen reader is not told the same thing again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function refresh() {
  if (socket.state === "live") socket.requestSnapshot();
  else socket.start();
  flowCard.load();
}

function visibilityChanged() {
  if (document.hidden) socket.pause();
  else socket.start();
}

setUpFrame({ r: refresh });
part("refresh").addEventListener("click", refresh);
document.addEventListener("visibilitychange", visibilityChanged);
visibilityChanged();
flowCard.load();
setInterval(() => document.hidden || showAges(), BEAT_MS);
setInterval(() => document.hidden || showRates(), CHART_EVERY_MS);
setInterval(() => socket.state === "live" && flowCard.load(), THROUGHPUT_EVERY_MS);

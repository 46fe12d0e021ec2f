// The page of the mail queue, refreshed every 10 s unless the URL names another interval. Every part
// shows the age of the reading it is made of.

import "../../shell/shell.js";
import { ageName, ageNames, reasonName } from "./names.js";
import { barsPanel } from "../../charts/bars.js";
import { bucketTable, chartPanel } from "../../charts/chart_panel.js";
import { duration, percent, thousands } from "../../shell/formats.js";
import { logarithmic } from "../../charts/heat.js";
import { page } from "../../shell/page.js";
import { panel } from "../../charts/panel.js";
import { boundsOf, pointsOf } from "../../charts/readings.js";
import { localise } from "../../shell/parts.js";
import { donut, sparkline } from "../../charts/small_charts.js";
import { columnsOf, table } from "../../charts/table.js";
import { make, replyElement } from "../../shell/text.js";
import { shownDomain } from "../../shell/domains.js";

const EVERY_MS = 10_000;
/** Rows of the heat map; the others are summed. */
const MAX_ROWS = 12;
const OVER_AN_HOUR_S = 3_600;

const load = () => page.get("email/queue");
const dialog = document.getElementById("destination-dialog");
let newest = null;

const ageOf = ({ read_at: at }) => duration((page.nowMs() - Date.parse(at)) / 1000);

/** "read 8 s ago", and whether that is too long ago: beside the title of each part. */
function readNote(made, part) {
  made.note(part.read_at ? `read ${ageOf(part)} ago${part.stale ? ", stale" : ""}` : "not known");
  made.root.toggleAttribute("data-old", Boolean(part.stale));
}

function none(answer) {
  return answer.waiting_count === null ? "No mail queue was read in the last 7 days." : "";
}

/** A cell with a share; a file has it from 0 to 1. */
const share = (count, ofCount) => ({ text: percent(count, ofCount), value: ofCount ? count / ofCount : null });

function heatTable({ domains: all, rest, up_to_s: bounds, of_count: ofCount }, answer) {
  const domains = all.filter(({ count }) => count);
  const shown = domains.slice(0, MAX_ROWS);
  const others = domains.slice(MAX_ROWS);
  const summed = bounds.map((_, i) => rest.counts[i] + others.reduce((sum, { counts }) => sum + counts[i], 0));
  const restCount = rest.domains_count + others.length;
  const max = Math.max(1, ...shown.flatMap(({ counts }) => counts), ...summed);
  const names = ageNames(bounds);
  const row = (title, counts, total, domain) => make("tr", {},
    make("th", { scope: "row" }, domain === null ? title : make("button", { type: "button", class: "link-button", "data-domain": domain }, title)),
    make("td", { class: "total-cell" }, make("span", {}, thousands(total))),
    ...counts.map((count, i) => cell(count, i, domain, names, max)));
  const body = shown.map(({ domain, count, counts }) => row(shownDomain(domain) || "(no domain)", counts, count, domain || null));
  if (restCount) {
    body.push(row(`${thousands(restCount)} other${restCount === 1 ? "" : "s"}`, summed, summed.reduce((a, b) => a + b, 0), null));
  }
  const heat = make("table", { class: "heat" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "destination"), make("th", { scope: "col" }, "all"), ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...body));
  const short = ofCount < answer.waiting_count ? `; ${thousands(ofCount)} of the ${thousands(answer.waiting_count)} waiting were read` : "";
  return [
    make("div", { class: "heat-scroll", tabindex: "0", role: "region", "aria-label": "Destinations by age" }, heat),
    make("p", { class: "heat-scale" }, "1", make("span", { class: "ramp" }), `${thousands(max)}, logarithmic scale${short}. Choose a cell to see the replies.`),
  ];
}

function cell(count, i, domain, names, max) {
  const label = `${domain && shownDomain(domain)}, ${names[i]}: ${thousands(count)}`;
  // The row's name leads to the same: a hundred cells are no stops for the Tab key.
  const inside = count && domain !== null
    ? make("button", { type: "button", tabindex: "-1", "data-domain": domain, "aria-label": label, title: label }, thousands(count))
    : make("span", {}, thousands(count));
  const made = make("td", { class: count ? null : "zero" }, inside);
  made.style.setProperty("--heat-share", String(logarithmic(count, max)));
  return made;
}

panel("destinations", {
  load,
  empty: (answer) => none(answer) || (answer.destinations.of_count === null ? "This reading has no destinations: they come from ZoneMTA’s MongoDB." : answer.waiting_count === 0 ? "Nothing waits." : ""),
  draw(answer, body) {
    newest = answer;
    readNote(this, answer.destinations);
    const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    body.replaceChildren(...(answer.destinations.domains.length ? heatTable(answer.destinations, answer) : []));
    if (focused) body.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  },
  table: ({ destinations: { domains, rest, up_to_s: bounds } }) => ({
    columns: columnsOf("destination", "all", ...ageNames(bounds)),
    rows: [
      ...domains.map(({ domain, count, counts }) => [domain || "(no domain)", count, ...counts]),
      ...(rest?.domains_count ? [[`${rest.domains_count} others`, rest.count, ...rest.counts]] : []),
    ],
  }),
  file: "queue-destinations",
});

panel("reasons", {
  load,
  empty: (answer) => none(answer) || (answer.reasons.of_count === null ? "This reading has no reasons." : deferredOf(answer) === 0 ? "Nothing is deferred." : ""),
  draw(answer, body) {
    readNote(this, answer.reasons);
    const all = deferredOf(answer);
    const parts = reasonParts(answer).filter(([, count]) => count).sort(([, a], [, b]) => b - a)
      .map(([name, count], i) => ({ name, value: count, text: thousands(count), note: percent(count, all), step: i }));
    body.replaceChildren(...(parts.length ? [donut(parts, { total: thousands(all), what: "deferred" })] : []));
  },
  table: (answer) => ({
    columns: columnsOf("reason", "recipients", "share"),
    rows: reasonParts(answer).map(([name, count]) => [name, count, share(count, deferredOf(answer))]),
  }),
  file: "queue-reasons",
});

const deferredOf = ({ reasons: { of_count: read, unread_count: unread } }) => (read ?? 0) + (unread ?? 0);

/** [[name, recipients], …] of the classes, and of all deferred mail that is in none. */
function reasonParts({ reasons }) {
  return [...reasons.classes.map(({ reason_class: name, count }) => [reasonName(name), count]), ...othersOf(reasons)];
}

/** [[name, recipients], …] of the deferred recipients whose reply is not listed. */
function othersOf({ rest_count: rest, unread_count: unread }) {
  return [["rarer replies", rest], ["no reply read", unread]].filter(([, count]) => count);
}

barsPanel("by-node", {
  load,
  empty: none,
  items(answer) {
    readNote(this, answer);
    return nodeLines(answer).map(({ name, count, note, title, node, stale, stranded }) => ({
      name, value: count ?? 0, text: thousands(count), note, title,
      meaning: stale ? "unknown" : stranded ? "critical" : "deferred",
      href: node && page.href(`/nodes/named/${encodeURIComponent(node)}/`),
    }));
  },
  table: (answer) => ({
    columns: [{ name: "owner" }, { name: "instance" }, { name: "recipients", numeric: true }, { name: "read" }, { name: "queue" }],
    rows: nodeLines(answer).map(({ name, instance, count, note, readAt, database }) => [name, { text: instance ?? "–", value: instance ?? "" }, count, { text: note, value: readAt }, { text: database ?? "–", value: database ?? "" }]),
  }),
  file: "queue-nodes",
});

/** Shares of nodes, then mail without an owner. */
function nodeLines(answer) {
  const line = (share, name, title, more = {}) => ({
    name, title, instance: share.instance, count: share.waiting_count, database: share.database, stale: share.stale,
    readAt: share.read_at, note: `${share.stale ? "stale, " : ""}${ageOf(share)} ago`, ...more,
  });
  const unknown = "Not known: its agent does not report its instance";
  const unassigned = { waiting_count: answer.unassigned_count, stale: answer.stale, read_at: answer.read_at };
  return [
    ...answer.nodes.map((share) => line(share, share.node, share.waiting_count === null ? unknown : `Read by ${share.read_by}`, { node: share.node })),
    ...answer.stranded.map((share) => line(share, `stranded at ${share.instance}`, share.node ? `${share.node} reports no more: no living ZoneMTA sends it` : "No living agent claims this instance: no ZoneMTA sends it", { node: share.node, stranded: true })),
    ...answer.unclaimed.map((share) => line(share, `at ${share.instance}, owner unknown`, "No agent claims this instance")),
    ...(answer.unassigned_count === null ? [] : [line(unassigned, "of no instance yet", "The next free instance takes it", { note: "not tried yet" })]),
  ];
}

barsPanel("by-age", {
  load,
  empty: (answer) => none(answer) || (answer.ages.of_count === null ? "This reading has no ages." : ""),
  items(answer) {
    readNote(this, answer.ages);
    return agesOf(answer).map(({ name, fromS, count }) => ({
      name, value: count, note: percent(count, answer.ages.of_count), meaning: fromS >= OVER_AN_HOUR_S ? "deferred" : "plain",
    }));
  },
  table: (answer) => ({
    columns: [{ name: "waits for", file: "waits for at least (s)" }, { name: "recipients", numeric: true }, { name: "share", numeric: true }],
    rows: agesOf(answer).map(({ name, fromS, count }) => [{ text: name, value: fromS }, count, share(count, answer.ages.of_count)]),
  }),
  file: "queue-ages",
});

/** Brackets of ages: {name, fromS, count}. */
function agesOf({ ages: { brackets } }) {
  return brackets.map(({ up_to_s: upToS, count }, i) => {
    const fromS = i ? brackets[i - 1].up_to_s : 0;
    return { name: ageName(fromS, upToS), fromS, count };
  });
}

panel("drain", {
  load,
  empty: (answer) => none(answer) || (answer.destinations.of_count === null ? "This reading has no destinations: they come from ZoneMTA’s MongoDB." : answer.providers.length ? "" : "Nothing waits."),
  draw(answer, body) {
    body.replaceChildren(...(answer.providers.length ? [make("div", { class: "list-scroll", tabindex: "0", role: "region", "aria-label": "Draining, by provider" }, table(drainTable(answer)))] : []));
  },
  table: drainTable,
  file: "queue-drain",
});

function drainTable({ providers }) {
  return {
    columns: [...columnsOf("provider", "waiting", "drains per hour"), { name: "empty" }, ...columnsOf("", "given up before that", "given up within 24 h").slice(1)],
    rows: providers.map(({ provider, waiting_count: count, drained_per_h: perH, empty_at: at, expiring_count: lost, expiring_24h_count: lostInADay }) => [
      { text: shownDomain(provider) || "(no domain)", value: provider },
      count,
      { text: perHour(perH), value: perH },
      { text: emptyWords(perH, at), value: at ?? "" },
      lost === null ? { text: "–", value: "" } : lost,
      lostInADay === null ? { text: "–", value: "" } : lostInADay,
    ]),
  };
}

/** Net recipients an hour, as a pace: what grows has a plus. */
function perHour(perH) {
  if (perH === null) return "–";
  const rounded = thousands(Math.round(Math.abs(perH)));
  return perH < 0 ? `grows by ${rounded}` : rounded;
}

function emptyWords(perH, at) {
  if (perH === null) return "not known";
  return at === null ? "never at this rate" : `in ${duration((Date.parse(at) - page.nowMs()) / 1000)}`;
}

/** Why nothing moves in a zone, empty where something does. */
function silentWords({ silent_zones: zones }, zone) {
  const silent = zones.filter((each) => each.zone === zone);
  const due = silent.reduce((sum, each) => sum + each.due_count, 0);
  const since = silent.map((each) => Date.parse(each.since));
  return silent.length ? `; nothing tried for ${duration((page.nowMs() - Math.max(...since)) / 1000)} though ${thousands(due)} due` : "";
}

barsPanel("by-zone", {
  load,
  empty: (answer) => none(answer) || (answer.zones.length ? "" : "Nothing waits in any zone."),
  items(answer) {
    readNote(this, answer);
    return answer.zones.map(({ zone, waiting_count: count, active_count: active }) => {
      const silent = silentWords(answer, zone);
      return { name: zone || "(no zone)", value: count, note: `${thousands(active)} due now${silent}`, meaning: silent ? "critical" : undefined };
    });
  },
  table: ({ zones }) => ({
    columns: columnsOf("zone", "waiting", "due now", "deferred"),
    rows: zones.map((zone) => [zone.zone || "(no zone)", zone.waiting_count, zone.active_count, zone.deferred_count]),
  }),
  file: "queue-zones",
});

chartPanel("history", {
  load,
  chart: { format: (value) => thousands(Math.round(value)), stacked: true },
  empty: (answer) => (answer.history.buckets.some(({ waiting_count: count }) => count !== null) ? "" : "The queue was not read in this range."),
  show(answer) {
    const { buckets } = answer.history;
    this.legend([{ name: "deferred", meaning: "deferred", value: thousands(answer.deferred_count) }, { name: "due now", colour: "series-1", value: thousands(answer.active_count) }], "dashed: still running");
    spark(pointsOf(buckets, "waiting_count"));
    return {
      ...boundsOf(answer.history),
      series: [
        { id: "active", name: "due now", colour: "series-1", points: pointsOf(buckets, "active_count") },
        { id: "deferred", name: "deferred", meaning: "deferred", points: pointsOf(buckets, "deferred_count") },
      ],
    };
  },
  table: ({ history: { buckets } }) => bucketTable(buckets, Object.entries({
    waiting: "waiting_count", highest: "waiting_count_max", "due now": "active_count", deferred: "deferred_count",
  }).map(([name, field]) => ({ name, cell: (bucket) => (bucket[field] === null ? null : Math.round(bucket[field])) }))),
  file: "queue-history",
});

panel("replies", {
  load,
  empty: (answer) => none(answer) || (answer.reasons.replies.length ? "" : "No reply to a deferred message was read."),
  draw(answer, body) {
    body.replaceChildren(...(answer.reasons.replies.length ? [make("div", { class: "list-scroll", tabindex: "0", role: "region", "aria-label": "Last replies" }, table(repliesTable(answer), { sort: { column: 2, descending: true } }))] : []));
  },
  table: repliesTable,
  file: "queue-replies",
});

function repliesTable({ reasons }) {
  return {
    columns: [{ name: "reply" }, { name: "reason" }, { name: "recipients", numeric: true }],
    rows: [
      ...reasons.replies.map(({ response, reason_class: name, count }) => [
        { value: response, node: replyElement(response) }, reasonName(name), count,
      ]),
      ...othersOf(reasons).map(([name, count]) => [name, "–", count]),
    ],
  };
}

let sparkPoints = [];
function spark(points) {
  sparkPoints = points;
  document.querySelector('[data-part="spark"]')?.replaceChildren(sparkline(points.map(([, value]) => value)));
}

document.addEventListener("click", (event) => {
  const domain = event.target.closest?.("[data-domain]")?.dataset.domain;
  if (domain) openDestination(domain);
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

/** Replies of a destination's servers, from its own page. */
async function openDestination(domain) {
  const place = dialog.querySelector('[data-part="destination"]');
  const href = page.href("/email/queue/destination/", { domain });
  place.replaceChildren(make("h2", { id: "destination-title" }, shownDomain(domain)), ...fromQueue(domain), make("div", { class: "skeleton" }));
  if (!dialog.open) dialog.showModal();
  try {
    const fresh = (await page.getHtml(href)).getElementById("destination");
    place.replaceChildren(...document.adoptNode(fresh).childNodes);
    place.querySelector("h2").after(...fromQueue(domain));
    localise(place);
  } catch (error) {
    place.querySelector(".skeleton")?.replaceWith(make("p", { class: "notice error", role: "alert" }, `The replies could not be loaded: ${error.message}. `, make("a", { href }, "Try its own page")));
  }
}

/** Counts of a destination in the newest reading of the queue. */
function fromQueue(domain) {
  const destination = newest?.destinations.domains.find((each) => each.domain === domain);
  if (!destination) return [];
  const names = ageNames(newest.destinations.up_to_s);
  const ages = destination.counts.map((count, i) => (count ? `${names[i]}: ${thousands(count)}` : null)).filter(Boolean);
  return [make("p", {}, make("strong", {}, `${thousands(destination.count)} wait`), ` (${ages.join(", ")})`)];
}

page.addEventListener("reloaded", () => spark(sparkPoints));
page.refreshEvery(EVERY_MS);

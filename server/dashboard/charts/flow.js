// The answer of /api/v1/email/throughput made into series, table rows and drill-downs. Pure.

import { columnsOf } from "./table.js";

/** Outcomes of mail, bottom of the stack first; the usual ones are always shown. */
const OUTCOMES = {
  outbound: ["delivered", "deferred", "bounced", "rejected", "dropped"],
  inbound: ["delivered", "spam", "greylisted", "deferred", "rejected", "dropped"],
};
/** Events of outbound mail that tables count. */
const OUTBOUND_TYPES = ["sent", "delivered", "deferred", "bounced"];
/** "Just now" is this share of a range's buckets, and at least so many of them. */
const LATELY_SHARE = 0.03;
const LATELY_MIN = 2;
/** A line of zeros is dead, not just quiet, where the median has this much per bucket. */
const DEAD_BESIDE = 5;
const RARE = new Set(["dropped"]);

/** The outcomes to draw: always the usual ones, the rare ones when they happened. */
export function shownOutcomes(answer) {
  return OUTCOMES[answer.direction].filter((type) => !RARE.has(type) || totalOf(answer.buckets, type) > 0);
}

export function totalOf(buckets, type) {
  return buckets.reduce((sum, bucket) => sum + (bucket.events[type] ?? 0), 0);
}

/** [[ms, events of a type], …], one a bucket. */
export function points(buckets, type) {
  return buckets.map((bucket) => [Date.parse(bucket.start), bucket.events[type] ?? 0]);
}

/** Where the running bucket begins, in ms; null when all are over. */
export function partialMs(buckets) {
  const running = buckets.find((bucket) => bucket.partial);
  return running ? Date.parse(running.start) : null;
}

/** What every chart of an answer shares: {startMs, endMs, widthMs, partialMs}. */
export function bounds(answer, buckets = answer.buckets) {
  return {
    startMs: Date.parse(answer.start),
    endMs: Date.parse(answer.end),
    widthMs: answer.width_s * 1000,
    partialMs: partialMs(buckets),
  };
}

/** How wide the buckets are, in words: "events per 15 minutes". */
export function widthWords(widthS, what = "events") {
  const words = { 60: "minute", 300: "5 minutes", 900: "15 minutes", 3600: "hour", 86400: "day" };
  return `${what} per ${words[widthS] ?? `${widthS} s`}`;
}

/** The width of buckets that draws a range well, as the API calls it. */
export function chartWidth(lengthMs) {
  const hours = lengthMs / 3_600_000;
  if (hours <= 2) return "1m";
  if (hours <= 12) return "5m";
  if (hours <= 48) return "15m";
  return hours <= 15 * 24 ? "1h" : "1d";
}

/** Columns of a table of buckets: how many events of each type, all of these, and how many were inferred. */
export function outcomeColumns(types) {
  const count = (bucket, type) => bucket.events[type] ?? 0;
  return [
    ...types.map((name) => ({ name, cell: (bucket) => count(bucket, name) })),
    { name: "total", cell: (bucket) => types.reduce((sum, type) => sum + count(bucket, type), 0) },
    { name: "inferred", cell: ({ inferred }) => inferred },
  ];
}

/** A table of buckets, newest first: `first` is the column of their time, `nameOf` its text; columns: {name, cell(bucket)}. */
export function tableOf(buckets, columns, first, nameOf) {
  const rows = buckets.map((bucket) => [
    { text: nameOf(bucket) + (bucket.partial ? " (running)" : ""), value: bucket.start },
    ...columns.map(({ cell }) => cell(bucket)),
  ]);
  return { columns: [first, ...columns.map(({ name }) => ({ name, numeric: true }))], rows: rows.reverse() };
}

/** A table of what became of outbound mail. lines: [[cell, events(type)], …]. */
export function outboundTable(first, lines) {
  return { columns: columnsOf(first, ...OUTBOUND_TYPES), rows: lines.map(([cell, events]) => [cell, ...OUTBOUND_TYPES.map(events)]) };
}

/**
 * Ids of the lines whose mean per bucket is an outlier, the oddest first: further from the median of
 * all than `max` times the median distance and than a quarter of the median itself, or dead beside
 * lines that are not. Fewer than three lines have no outlier. Pure.
 */
export function oddOnes(lines, max = 5) {
  const means = lines.map(({ id, points: all }) => {
    const known = all.filter(([, value]) => value !== null);
    return { id, mean: known.reduce((sum, [, value]) => sum + value, 0) / (known.length || 1) };
  });
  if (means.length < 3) return [];
  const middle = median(means.map(({ mean }) => mean));
  const distances = means.map(({ id, mean }) => ({ id, distance: Math.abs(mean - middle), dead: mean === 0 && middle >= DEAD_BESIDE }));
  const usual = median(distances.map(({ distance }) => distance));
  return distances
    .filter(({ distance, dead }) => dead || (distance > max * usual && distance > middle / 4 && distance > 0))
    .sort((a, b) => b.distance - a.distance)
    .map(({ id }) => id);
}

/**
 * The odd ones of the range and those of its last part alone: a failure of the last minutes is little
 * of a day. The running bucket is left out.
 */
export function oddOnesNowAndBefore(lines, partialMs) {
  const over = lines.map(({ id, points: all }) => ({ id, points: all.filter(([ms]) => partialMs === null || ms < partialMs) }));
  const lately = over.map(({ id, points: all }) => ({ id, points: all.slice(-Math.max(LATELY_MIN, Math.ceil(all.length * LATELY_SHARE))) }));
  return [...new Set([...oddOnes(lately), ...oddOnes(over)])];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

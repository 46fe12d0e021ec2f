// Readings of nodes over time from the read API: requests, values, texts with units.

import { byteSize, duration, milliseconds, thousands, UNKNOWN } from "../shell/formats.js";
import { bounds } from "./flow.js";
import { page } from "../shell/page.js";

const MINUTE_S = 60, HOUR_S = 3600;
/** How a value of each unit is written. */
const FORMATS = {
  percent: (value) => `${value.toFixed(1)} %`,
  bytes: byteSize,
  bytes_s: (value) => `${byteSize(value)}/s`,
  per_s: (value) => `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : thousands(Math.round(value))} /s`,
  count: (value) => thousands(Math.round(value)),
  ms: milliseconds,
  s: (value) => (value < MINUTE_S ? milliseconds(1000 * value) : duration(value)),
  load: (value) => value.toFixed(2),
};

/** A value with its unit; a dash where it is not known. */
export function formatReading(value, unit) {
  return value === null || value === undefined ? UNKNOWN : FORMATS[unit](value);
}

/** The same on a scale: without needless decimals. */
export function formatTick(value, unit) {
  if (unit === "percent") return `${Math.round(value)} %`;
  if (unit === "per_s") return `${Number(value.toPrecision(2))} /s`;
  if (unit === "load") return String(Number(value.toPrecision(2)));
  // Whole minutes would give 1 min twice, for 60 and for 90 s.
  if (unit === "s" && value < HOUR_S) return value < MINUTE_S ? `${Number(value.toPrecision(3))} s` : `${Number((value / MINUTE_S).toPrecision(3))} min`;
  return formatReading(value, unit);
}

/** Get the samples of `kind` in the page's range: of one node or all, some fields or all. */
export function getSamples(kind, { node = null, fields = null } = {}) {
  return page.get(`metrics/${kind}`, { node, fields: fields && fields.join(",") });
}

/** The buckets of one node; none where nothing came of it. */
export function bucketsOf(answer, node) {
  return answer.series.find((each) => each.node === node)?.buckets ?? [];
}

/** [[ms, number or null], …] of one reading. A bucket without a sample is a gap. */
export function pointsOf(buckets, reading) {
  return buckets.map((bucket) => [Date.parse(bucket.start), bucket[reading] ?? null]);
}

/** The bounds of an answer in time, as TimeChart takes them. */
export function boundsOf(answer) {
  const times = bounds(answer, []);
  return { ...times, partialMs: times.endMs > page.nowMs() ? times.endMs - times.widthMs : null };
}

/** The newest known value of a reading, null for none. */
export function newestOf(buckets, reading) {
  return buckets.findLast((bucket) => (bucket[reading] ?? null) !== null)?.[reading] ?? null;
}

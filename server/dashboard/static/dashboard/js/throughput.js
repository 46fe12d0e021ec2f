// The answer of /api/v1/email/throughput made into stacks, table rows and CSV. Pure.

import { csvCell } from "./format.js";

/** Outbound outcomes, bottom of the stack first. `dropped` is shown only where there is any. */
export const OUTCOMES = ["delivered", "deferred", "bounced", "rejected", "dropped"];
const RARE = new Set(["dropped"]);

/** The outcomes to draw: always the usual ones, the rare ones when they happened. */
export function shownOutcomes(answer) {
  return OUTCOMES.filter((type) => !RARE.has(type) || totalOf(answer, type) > 0);
}

/** Events of one type in the whole range. */
export function totalOf(answer, type) {
  return answer.buckets.reduce((sum, bucket) => sum + (bucket.events[type] ?? 0), 0);
}

/** One row a bucket: its bounds in ms, counts by type, their total, how many were inferred. */
export function rows(answer) {
  const types = shownOutcomes(answer);
  return answer.buckets.map((bucket) => {
    const startMs = Date.parse(bucket.start);
    const counts = Object.fromEntries(types.map((type) => [type, bucket.events[type] ?? 0]));
    return {
      startMs,
      endMs: startMs + answer.width_s * 1000,
      counts,
      total: Object.values(counts).reduce((sum, count) => sum + count, 0),
      inferred: bucket.inferred,
      partial: bucket.partial,
    };
  });
}

/**
 * Points of one type for the chart: `whole` are the buckets that are over, `partial` leads from the
 * last of them to the running one, to be drawn dashed.
 */
export function stack(allRows, type) {
  const point = (row) => [row.startMs, row.counts[type]];
  const whole = allRows.filter((row) => !row.partial);
  const running = allRows.filter((row) => row.partial);
  return {
    whole: whole.map(point),
    partial: running.length ? [...whole.slice(-1), ...running].map(point) : [],
  };
}

/** The same as a CSV file: a header line, times in UTC, oldest first. */
export function csv(answer) {
  const types = shownOutcomes(answer);
  const head = ["start", "end", ...types, "total", "inferred", "partial"];
  const lines = rows(answer).map((row) => [
    new Date(row.startMs).toISOString(),
    new Date(row.endMs).toISOString(),
    ...types.map((type) => row.counts[type]),
    row.total,
    row.inferred,
    row.partial,
  ]);
  return [head, ...lines].map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

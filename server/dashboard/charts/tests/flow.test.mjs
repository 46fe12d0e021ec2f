import assert from "node:assert/strict";
import { test } from "node:test";

import { bounds, chartWidth, oddOnes, oddOnesNowAndBefore, outcomeColumns, points, shownOutcomes, tableOf, totalOf, widthWords } from "../flow.js";

const answer = {
  direction: "outbound",
  start: "2026-11-21T11:30:00Z",
  end: "2026-11-21T12:15:00Z",
  width_s: 900,
  buckets: [
    { start: "2026-11-21T11:30:00Z", end: "2026-11-21T11:45:00Z", events: { sent: 9, delivered: 5, bounced: 1 }, inferred: 2, partial: false },
    { start: "2026-11-21T11:45:00Z", end: "2026-11-21T12:00:00Z", events: {}, inferred: 0, partial: false },
    { start: "2026-11-21T12:00:00Z", end: "2026-11-21T12:15:00Z", events: { delivered: 3 }, inferred: 0, partial: true },
  ],
};

test("a silent bucket is zero, and the running one is marked by where it begins", () => {
  assert.deepEqual(points(answer.buckets, "delivered").map(([, count]) => count), [5, 0, 3]);
  const { startMs, endMs, widthMs, partialMs } = bounds(answer);
  assert.equal(endMs - startMs, 3 * widthMs);
  assert.equal(partialMs, Date.parse("2026-11-21T12:00:00Z"));
});

test("dropped mail has a place only when there is any", () => {
  const withDrop = structuredClone(answer);
  withDrop.buckets[1].events.dropped = 1;

  assert.ok(!shownOutcomes(answer).includes("dropped"));
  assert.ok(shownOutcomes(withDrop).includes("dropped"));
});

test("totals are over the whole range", () => {
  assert.equal(totalOf(answer.buckets, "delivered"), 8);
});

test("the table has a line for each bucket, the newest first, with the total of what is shown", () => {
  const { columns, rows } = tableOf(answer.buckets, outcomeColumns(["delivered", "bounced"]), { name: "from – to" }, () => "then");

  assert.deepEqual(columns.map(({ name }) => name), ["from – to", "delivered", "bounced", "total", "inferred"]);
  assert.equal(rows.length, 3);
  assert.equal(rows[0][0].text, "then (running)");
  assert.deepEqual(rows[2].slice(1), [5, 1, 6, 2]);
});

test("buckets are named, and as narrow as a chart can show", () => {
  assert.equal(widthWords(900), "events per 15 minutes");
  const hours = (count) => chartWidth(count * 3_600_000);
  assert.deepEqual([1, 6, 24, 7 * 24, 30 * 24].map(hours), ["1m", "5m", "15m", "1h", "1d"]);
});

const line = (id, ...values) => ({ id, points: values.map((value, i) => [i, value]) });

test("the line far from all others is the odd one", () => {
  const usual = [line("a", 100, 110), line("b", 105, 95), line("c", 98, 102)];

  assert.deepEqual(oddOnes([...usual, line("d", 5, null)]), ["d"]);
  assert.deepEqual(oddOnes(usual), []);
});

test("of two lines neither is odd, and small differences make none", () => {
  assert.deepEqual(oddOnes([line("a", 1), line("b", 100)]), []);
  assert.deepEqual(oddOnes([line("a", 100), line("b", 100), line("c", 110)]), []);
});

test("a line that went wrong just now is odd, though it is little of the whole range", () => {
  const day = (last) => [...Array(40).fill(100), last, last, 7];
  const lines = [line("a", ...day(98)), line("b", ...day(103)), line("c", ...day(99)), line("d", ...day(0))];

  assert.deepEqual(oddOnes(lines), []);
  assert.deepEqual(oddOnesNowAndBefore(lines, 42), ["d"]);
});

test("a line that is dead beside others is odd, however far apart those are", () => {
  const lines = [line("a", 860), line("b", 420), line("c", 220), line("d", 100), line("e", 0)];

  assert.deepEqual(oddOnes(lines), ["e"]);
  assert.deepEqual(oddOnes([line("a", 2), line("b", 1), line("c", 0)]), []);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { csv, rows, shownOutcomes, stack, totalOf } from "../../static/dashboard/js/throughput.js";

const answer = {
  direction: "outbound",
  width_s: 900,
  buckets: [
    { start: "2026-11-21T11:30:00Z", events: { sent: 9, delivered: 5, bounced: 1 }, inferred: 2, partial: false },
    { start: "2026-11-21T11:45:00Z", events: {}, inferred: 0, partial: false },
    { start: "2026-11-21T12:00:00Z", events: { delivered: 3 }, inferred: 0, partial: true },
  ],
};

test("a row has its bounds, counts of outcomes and their total; queueing is no outcome", () => {
  const [first, second] = rows(answer);

  assert.equal(first.endMs - first.startMs, 900_000);
  assert.deepEqual(first.counts, { delivered: 5, deferred: 0, bounced: 1, rejected: 0 });
  assert.equal(first.total, 6);
  assert.equal(second.total, 0);
});

test("the running bucket is led to from the last whole one", () => {
  const { whole, partial } = stack(rows(answer), "delivered");

  assert.deepEqual(whole.map(([, count]) => count), [5, 0]);
  assert.deepEqual(partial.map(([, count]) => count), [0, 3]);
});

test("dropped mail has a place only when there is any", () => {
  const withDrop = structuredClone(answer);
  withDrop.buckets[1].events.dropped = 1;

  assert.ok(!shownOutcomes(answer).includes("dropped"));
  assert.ok(shownOutcomes(withDrop).includes("dropped"));
});

test("totals are over the whole range", () => {
  assert.equal(totalOf(answer, "delivered"), 8);
});

test("the CSV has a line for each bucket", () => {
  const lines = csv(answer).trimEnd().split("\r\n");

  assert.equal(lines[0], "start,end,delivered,deferred,bounced,rejected,total,inferred,partial");
  assert.equal(lines[1], "2026-11-21T11:30:00.000Z,2026-11-21T11:45:00.000Z,5,0,1,0,6,2,false");
  assert.equal(lines.length, 4);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { MEAN_S, Seconds, SETTLE_S, WINDOW_S } from "../rates.js";

const NOW_S = 1_800_000_000;
const FIELD = "outbound:delivered";
const frame = (type, atS, counts) => ({
  type,
  at: new Date(atS * 1000).toISOString(),
  seconds: Object.fromEntries(Object.entries(counts).map(([s, count]) => [s, { [FIELD]: count }])),
});
const valueAt = (points, s) => points.find(([ms]) => ms === s * 1000)[1];

test("silence is zero", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));

  assert.equal(valueAt(seconds.series(FIELD, NOW_S), NOW_S - 10), 0);
});

test("each point is the mean of the seconds up to it", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, { [NOW_S - 20]: 10 }));

  const points = seconds.series(FIELD, NOW_S);

  assert.equal(valueAt(points, NOW_S - 20), 10 / MEAN_S);
  assert.equal(valueAt(points, NOW_S - 20 + MEAN_S - 1), 10 / MEAN_S);
  assert.equal(valueAt(points, NOW_S - 20 + MEAN_S), 0);
});

test("the running second is not drawn as a drop", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));

  const points = seconds.series(FIELD, NOW_S + 0.9);

  assert.equal(points.length, WINDOW_S);
  assert.equal(points.at(-1)[0], (NOW_S - SETTLE_S) * 1000);
});

test("seconds that no frame told of are a gap, until a snapshot fills it", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));
  assert.equal(valueAt(seconds.series(FIELD, NOW_S + 30), NOW_S + 20), null);

  seconds.take(frame("snapshot", NOW_S + 30, { [NOW_S + 20]: 5 }));

  assert.equal(valueAt(seconds.series(FIELD, NOW_S + 30), NOW_S + 20), 1);
});

test("what lies before the first snapshot's window is a gap, not silence", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));

  assert.equal(seconds.series(FIELD, NOW_S)[0][1], null);
});

test("after the last sample of a silent node, seconds without events are a gap", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));

  const points = seconds.series(FIELD, NOW_S, NOW_S - 60);

  assert.equal(valueAt(points, NOW_S - 61), 0);
  assert.equal(valueAt(points, NOW_S - 30), null);
});

test("a tick replaces its last seconds and leaves older ones", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, { [NOW_S - 100]: 5, [NOW_S - 5]: 5 }));

  seconds.take(frame("tick", NOW_S, { [NOW_S - 5]: 10, [NOW_S - 40]: 5 }));

  const points = seconds.series(FIELD, NOW_S);
  assert.equal(valueAt(points, NOW_S - 100), 1);
  assert.equal(valueAt(points, NOW_S - 40), 1);
  assert.equal(valueAt(points, NOW_S - 5), 2);
});

test("a lost tick heals with the next: totals are absolute", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, {}));

  seconds.take(frame("tick", NOW_S + 3, { [NOW_S + 1]: 5, [NOW_S + 2]: 5 }));

  assert.equal(valueAt(seconds.series(FIELD, NOW_S + 4), NOW_S + 2), 2);
});

test("seconds older than the window are forgotten", () => {
  const seconds = new Seconds();
  seconds.take(frame("snapshot", NOW_S, { [NOW_S - 200]: 1 }));

  seconds.take(frame("tick", NOW_S + 400, {}));

  assert.equal(seconds.counts.size, 0);
});

// How readings are written.

import assert from "node:assert/strict";
import { before, test } from "node:test";

let readings;
before(async () => {
  // The module asks for the page it stands in.
  const facts = { textContent: JSON.stringify({ totals: { at: new Date().toISOString() } }) };
  Object.assign(globalThis, {
    document: { getElementById: () => facts, addEventListener() {}, hidden: false },
    location: { search: "", pathname: "/" },
    addEventListener() {},
  });
  readings = await import("../readings.js");
});

test("each unit is written as people say it, and the unknown as a dash", () => {
  const { formatReading } = readings;
  const written = [
    [12.34, "percent", "12.3 %"], [1500, "bytes_s", "1.5 KB/s"], [0.126, "per_s", "0.13 /s"], [42.26, "per_s", "42.3 /s"],
    [1234.4, "per_s", "1,234 /s"], [1234.4, "count", "1,234"], [0.21, "s", "210 ms"], [172800, "s", "2 d"], [1.5, "load", "1.50"],
    [null, "percent", "–"], [undefined, "bytes", "–"], [0, "count", "0"],
  ];
  for (const [value, unit, text] of written) assert.equal(formatReading(value, unit), text);
});

test("a bucket without a sample is a gap, and the newest known value is found", () => {
  const buckets = [{ start: "2026-11-21T10:00:00Z", load_1m: 1 }, { start: "2026-11-21T10:05:00Z", load_1m: null }];
  assert.deepEqual(readings.pointsOf(buckets, "load_1m").map(([, value]) => value), [1, null]);
  assert.equal(readings.newestOf(buckets, "load_1m"), 1);
  assert.equal(readings.newestOf(buckets, "nothing"), null);
  assert.deepEqual(readings.bucketsOf({ series: [] }, "mta-01"), []);
});

test("a scale of seconds names each of its steps once", () => {
  const steps = [0, 30, 60, 90, 120, 600, 3600, 5400].map((value) => readings.formatTick(value, "s"));

  assert.deepEqual(steps, ["0 s", "30 s", "1 min", "1.5 min", "2 min", "10 min", "1 h", "1 h 30 min"]);
});

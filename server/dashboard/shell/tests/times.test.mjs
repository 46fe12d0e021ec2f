import assert from "node:assert/strict";
import { test } from "node:test";

import { Zone } from "../times.js";

const NOON = Date.parse("2026-11-21T12:00:00Z");
const HOUR = 3_600_000;
const bangkok = new Zone("Asia/Bangkok");
const berlin = new Zone("Europe/Berlin");

test("times are of the zone", () => {
  assert.equal(bangkok.hourMinute(NOON), "19:00");
  assert.equal(bangkok.dateTime(NOON), "2026-11-21 19:00");
  assert.equal(bangkok.hourMinuteSecond(NOON + 9_000), "19:00:09");
  assert.equal(new Zone("UTC").hourMinute(Date.parse("2026-11-21T00:00:00Z")), "00:00");
});

test("a zone is named by its distance from UTC", () => {
  assert.deepEqual(["UTC", "Asia/Bangkok", "Asia/Kolkata", "America/New_York"].map((name) => new Zone(name).label(NOON)),
    ["UTC", "UTC+7", "UTC+5:30", "UTC−5"]);
});

test("a wall clock's time is found again, in summer and in winter", () => {
  for (const wall of ["2026-07-01T12:30", "2026-12-01T00:00", "2026-10-25T01:59", "2026-10-25T03:00"]) {
    assert.equal(berlin.wall(berlin.momentMs(wall)), wall);
  }
  assert.ok(Number.isNaN(berlin.momentMs("soon")));
});

test("a bucket of today has no date, one of another day has, a whole day is its date", () => {
  assert.equal(bangkok.span(NOON, NOON + HOUR, NOON), "19:00–20:00");
  assert.equal(bangkok.span(NOON - 24 * HOUR, NOON - 23 * HOUR, NOON), "2026-11-20 19:00–20:00");
  const midnight = bangkok.momentMs("2026-11-20T00:00");
  assert.equal(bangkok.span(midnight, midnight + 24 * HOUR, NOON), "2026-11-20");
});

test("ticks are round times of the zone, no more than fit", () => {
  const ticks = bangkok.ticks(NOON - 24 * HOUR, NOON, 8);

  assert.ok(ticks.length <= 9);
  assert.ok(ticks.every((ms) => bangkok.parts(ms).minute === 0 && bangkok.parts(ms).hour % 3 === 0));
  assert.ok(ticks.map((ms) => bangkok.tickLabel(ms)).includes("21 Nov"));
});

test("ticks of days are midnights, also where the clocks change in between", () => {
  const start = Date.parse("2026-10-20T09:00:00Z");
  const ticks = berlin.ticks(start, start + 10 * 24 * HOUR, 12);

  assert.equal(ticks.length, 10);
  assert.ok(ticks.every((ms) => berlin.hourMinute(ms) === "00:00"));
});

test("a short range has ticks in minutes", () => {
  const labels = bangkok.ticks(NOON, NOON + 5 * 60_000, 6).map((ms) => bangkok.tickLabel(ms));

  assert.deepEqual(labels, ["19:00", "19:01", "19:02", "19:03", "19:04", "19:05"]);
});

// Names of ages and reasons, colours of heat maps, and the two small pictures.

import assert from "node:assert/strict";
import { test } from "node:test";

import { logarithmic, proportional } from "../../../charts/heat.js";
import { ageName, ageNames, reasonName } from "../names.js";
import { shares, sparkPaths } from "../../../charts/small_charts.js";

test("the seven brackets are called as people say them", () => {
  assert.deepEqual(ageNames([60, 300, 1800, 3600, 14400, 86400, null]), [
    "< 1 min", "1–5 min", "5–30 min", "30 min – 1 h", "1–4 h", "4 h – 1 d", "> 1 d",
  ]);
  assert.equal(ageName(90, 120), "90 s – 2 min");
});

test("a class of reasons has a name, one that is new its own", () => {
  assert.equal(reasonName("rate"), "rate limited");
  assert.equal(reasonName("moonshine"), "moonshine");
});

test("a heat grows with its number, is none for none, and leaves its text readable", () => {
  assert.equal(logarithmic(0, 1000), 0);
  assert.equal(logarithmic(null, 1000), 0);
  const shades = [1, 10, 100, 1000].map((count) => logarithmic(count, 1000));
  assert.deepEqual(shades.toSorted((a, b) => a - b), shades);
  assert.ok(shades[0] > 6 && shades[3] === 48, String(shades));
  assert.equal(proportional(200, 100), 48);
  assert.equal(proportional(5, 0), 0);
});

test("shares lie on a ring one after the other, of nothing nowhere", () => {
  assert.deepEqual(shares([2, 1, 1]), [[0, 0.5], [0.5, 0.25], [0.75, 0.25]]);
  assert.deepEqual(shares([0, 0]), [[0, 0], [0, 0]]);
});

test("a sparkline stands on zero and is broken where nothing is known", () => {
  assert.deepEqual(sparkPaths([0, 10, null, 5], 30, 12), ["0.0,11.0 10.0,1.0", "30.0,6.0"]);
  assert.deepEqual(sparkPaths([], 30, 12), []);
  assert.deepEqual(sparkPaths([null], 30, 12), []);
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { byteSize, csvCell, duration, frameAge, isolate, milliseconds, percent, rate, ratio, stopwatch, thousands } from "../formats.js";

const vectors = JSON.parse(readFileSync(new URL("formats.json", import.meta.url)));

for (const [name, say] of Object.entries({ thousands, percent, duration, milliseconds, isolate, byte_size: byteSize })) {
  test(`${name} says what the shared vectors say`, () => {
    for (const vector of vectors[name]) {
      assert.equal(say(...vector.slice(0, -1)), vector.at(-1), JSON.stringify(vector));
    }
  });
}

test("a stopwatch runs in minutes and seconds, and in hours once there are any", () => {
  assert.deepEqual([0, 192, 3792].map(stopwatch), ["00:00", "03:12", "1:03:12"]);
});

test("the age of a frame has tenths while it is young", () => {
  assert.deepEqual([0.24, 9.94, 12.3, 200].map(frameAge), ["0.2 s", "9.9 s", "12 s", "3 min"]);
});

test("a rate has a unit, one decimal while small, and a dash when nobody knows", () => {
  assert.deepEqual([0, 2.4, 1234.5, null].map(rate), ["0.0 /s", "2.4 /s", "1,235 /s", "–"]);
});

test("a ratio is a percentage with one decimal, and a dash when it is not known", () => {
  assert.deepEqual([0, 0.0267, 0.99984, 1, null].map(ratio), ["0 %", "2.7 %", "99.98 %", "100 %", "–"]);
});

test("a CSV cell is quoted where it must be", () => {
  assert.deepEqual(["a", 'say "b"', "c,d", 5].map(csvCell), ["a", '"say ""b"""', '"c,d"', "5"]);
});

test("what a spreadsheet would run as a formula is made text; a number stays one", () => {
  assert.deepEqual(["=1+1", " @x", "-5", -5].map(csvCell), ["'=1+1", "' @x", "'-5", "-5"]);
});

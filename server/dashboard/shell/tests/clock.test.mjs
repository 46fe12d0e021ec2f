import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../live/clock.js";
import { next, resolved } from "../controls/theme.js";

const at = (ms) => new Date(ms).toISOString();

test("the server's clock goes on between frames", () => {
  let nowMs = 100;
  const clock = new ServerClock(() => nowMs);
  clock.learn(at(1_800_000_000_000));

  nowMs += 2_500;

  assert.equal(clock.nowMs(), 1_800_000_002_500);
});

test("a frame that was long on its way does not set the clock back", () => {
  let nowMs = 0;
  const clock = new ServerClock(() => nowMs);
  clock.learn(at(1_800_000_000_000));

  nowMs = 5_000;
  clock.learn(at(1_800_000_001_000));

  assert.equal(clock.nowMs(), 1_800_000_005_000);
});

test("the theme goes dark, light, as the system, and round again", () => {
  assert.deepEqual(["dark", "light", "auto"].map(next), ["light", "auto", "dark"]);
  assert.deepEqual([resolved("auto", true), resolved("auto", false), resolved("dark", true)], ["light", "dark", "dark"]);
});

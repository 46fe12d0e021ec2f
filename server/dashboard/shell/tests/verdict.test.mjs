import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { overall, verdict } from "../live/verdict.js";

for (const { name, level, text, totals } of JSON.parse(readFileSync(new URL("verdicts.json", import.meta.url)))) {
  test(`verdict: ${name}`, () => {
    assert.deepEqual(verdict(totals, Date.parse(totals.at)), { level, text });
  });
}

for (const { name, judged, findings, complete, level, text } of JSON.parse(readFileSync(new URL("overalls.json", import.meta.url)))) {
  test(`all in all: ${name}`, () => {
    const hourMinute = (ms) => new Date(ms).toISOString().slice(11, 16);
    assert.deepEqual(overall(judged, findings, complete, hourMinute), { level, text });
  });
}

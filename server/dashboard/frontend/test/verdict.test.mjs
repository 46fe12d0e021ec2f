import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { verdict } from "../../static/dashboard/js/verdict.js";

for (const { name, level, text, totals } of JSON.parse(readFileSync(new URL("verdicts.json", import.meta.url)))) {
  test(`verdict: ${name}`, () => {
    assert.deepEqual(verdict(totals, Date.parse(totals.at)), { level, text });
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { by } from "../table.js";

const rows = [["b", 2], ["a", null], ["c", { text: "ten", value: 10 }]];
const sorted = (sort) => [...rows].sort(by(sort)).map(([name]) => name);

test("rows are sorted by what a cell is worth, not by what it shows", () => {
  assert.deepEqual(sorted({ column: 1, descending: true }), ["c", "b", "a"]);
  assert.deepEqual(sorted({ column: 0, descending: false }), ["a", "b", "c"]);
});

test("what is not known comes last, whichever way", () => {
  assert.deepEqual(sorted({ column: 1, descending: false }), ["b", "c", "a"]);
});

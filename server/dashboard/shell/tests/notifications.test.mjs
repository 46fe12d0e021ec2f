import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSeen, unseen } from "../live/notifications.js";

test("an incident is new once, whichever tab sees it first", () => {
  const alarms = [{ id: 7, text: "a" }, { id: 5, text: "b" }];

  const first = unseen(alarms, [5]);

  assert.deepEqual(first, { fresh: [alarms[0]], seen: [5, 7] });
  assert.deepEqual(unseen(alarms, first.seen).fresh, []);
});

test("only so many are remembered, the newest", () => {
  const seen = Array.from({ length: 200 }, (_, index) => index);

  assert.deepEqual(unseen([{ id: 900, text: "" }], seen).seen.slice(-2), [199, 900]);
  assert.equal(unseen([{ id: 900, text: "" }], seen).seen.length, 200);
});

test("what another wrote into the storage is nothing", () => {
  assert.deepEqual(parseSeen(null), []);
  assert.deepEqual(parseSeen("{"), []);
  assert.deepEqual(parseSeen('{"a": 1}'), []);
  assert.deepEqual(parseSeen('[1, "2", null, 3.5, 4]'), [1, 4]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { carrying, changed, isZone, parseParams, recarrying, rfc3339 } from "../params.js";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const HOUR = 3_600_000;

test("without a word in the URL it is the last 24 hours, anew every 30 s, in the reader's zone", () => {
  const { range, startMs, endMs, refreshMs, zone, query } = parseParams("", NOW);

  assert.deepEqual([range, startMs, endMs, refreshMs, zone], ["24h", NOW - 24 * HOUR, NOW, 30_000, ""]);
  assert.deepEqual(query, { range: "24h" });
});

test("a range of its own goes before a named one", () => {
  const { range, lengthMs, query } = parseParams("?range=7d&from=2026-11-20T10:00:00%2B02:00&to=2026-11-20T09:00:00Z", NOW);

  assert.equal(range, "custom");
  assert.equal(lengthMs, HOUR);
  assert.deepEqual(query, { from: "2026-11-20T08:00:00Z", to: "2026-11-20T09:00:00Z" });
});

test("nonsense is as if it were not there", () => {
  for (const search of ["?range=5y", "?from=x&to=y", "?from=2026-11-20T10:00:00&to=2026-11-20T11:00:00",
    "?from=2026-11-20T11:00:00Z&to=2026-11-20T10:00:00Z", "?refresh=1ms", "?tz=Moon/Sea", "?range=toString"]) {
    const { range, refresh, zone } = parseParams(search, NOW);
    assert.deepEqual([range, refresh, zone], ["24h", "30s", ""], search);
  }
});

test("refreshing can be turned off", () => {
  assert.equal(parseParams("?refresh=off", NOW).refreshMs, null);
});

test("a change keeps what else is there", () => {
  assert.equal(changed("?range=7d&sort=p95", { range: "1h" }), "?range=1h&sort=p95");
  assert.equal(changed("?range=7d", { range: null }), "");
});

test("a link carries range, refresh, zone and theme, but not what belongs to one page", () => {
  assert.equal(carrying("/nodes/", "?range=7d&sort=p95&tz=UTC"), "/nodes/?range=7d&tz=UTC");
  assert.equal(carrying("/events/?type=bounced", "?range=7d"), "/events/?type=bounced&range=7d");
});

test("a link of the page keeps its own query and follows the page's range", () => {
  const silence = "/silences/?rule=disk_low&reason=why%3F+now&range=7d";
  assert.equal(recarrying(silence, "?from=a&to=b&sort=p95"), "/silences/?rule=disk_low&reason=why%3F+now&from=a&to=b");
  assert.equal(recarrying(silence, "?range=1h"), "/silences/?rule=disk_low&reason=why%3F+now&range=1h");
  assert.equal(recarrying("/nodes/?range=7d", ""), "/nodes/");
});

test("zones and times are those of the standards", () => {
  assert.deepEqual(["UTC", "Asia/Bangkok", "", "Nowhere"].map(isZone), [true, true, false, false]);
  assert.equal(rfc3339(NOW + 999), "2026-11-21T12:00:00Z");
});

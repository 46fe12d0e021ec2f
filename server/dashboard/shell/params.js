// Query parameters of a page: range, refresh, time zone. Pure; the same names and defaults as
// page.py.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** range → its length in ms. */
const RANGES = { "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS };
const DEFAULT_RANGE = "24h";
/** refresh → ms between two, null for never. */
const REFRESHES = { "15s": 15_000, "30s": 30_000, "1m": MINUTE_MS, "5m": 5 * MINUTE_MS, off: null };
const DEFAULT_REFRESH = "30s";
/** What a link from page to page carries along. */
export const CARRIED = ["range", "from", "to", "refresh", "tz", "theme"];

/**
 * Parse a query string: {range, startMs, endMs, lengthMs, query, refresh, refreshMs, zone}.
 * `query` is what the API takes; range "custom" comes with `from` and `to`. zone "" is the
 * reader's own. Invalid values count as absent.
 */
export function parseParams(search, nowMs) {
  const given = new URLSearchParams(search);
  const refresh = given.get("refresh") in REFRESHES ? given.get("refresh") : DEFAULT_REFRESH;
  const zone = isZone(given.get("tz")) ? given.get("tz") : "";
  return { ...parseRange(given, nowMs), refresh, refreshMs: REFRESHES[refresh], zone };
}

function parseRange(given, nowMs) {
  const startMs = timeMs(given.get("from"));
  const endMs = timeMs(given.get("to"));
  if (startMs < endMs) {
    const query = { from: rfc3339(startMs), to: rfc3339(endMs) };
    return { range: "custom", startMs, endMs, lengthMs: endMs - startMs, query };
  }
  const range = Object.hasOwn(RANGES, given.get("range") ?? "") ? given.get("range") : DEFAULT_RANGE;
  const lengthMs = RANGES[range];
  return { range, startMs: nowMs - lengthMs, endMs: nowMs, lengthMs, query: { range } };
}

/** Ms of an RFC 3339 time; NaN for anything else, above all a time without an offset. */
function timeMs(text) {
  if (!/^\d{4}-\d\d-\d\dT.*(Z|[+ -]\d\d:?\d\d)$/.test(text ?? "")) return NaN;
  return Date.parse(text.replace(" ", "+"));
}

/** "2026-11-21T12:00:00Z": whole seconds, as short as a link should be. */
export function rfc3339(ms) {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The query string after `changes` (null takes a name out), in the order names first came. */
export function changed(search, changes) {
  const given = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") given.delete(name);
    else given.set(name, value);
  }
  const text = given.toString().replaceAll("%3A", ":");
  return text && `?${text}`;
}

/** `href` with what is carried from page to page out of `search`. */
export function carrying(href, search) {
  const [path, own = ""] = href.split("?");
  const from = new URLSearchParams(search);
  const kept = Object.fromEntries(CARRIED.map((name) => [name, new URLSearchParams(own).get(name) ?? from.get(name)]));
  return path + changed(own, kept);
}

/** `href` of a link with its own query, and what is carried out of `search` in place of what it carried before. */
export function recarrying(href, search) {
  const at = href.indexOf("?");
  const [path, own] = at < 0 ? [href, ""] : [href.slice(0, at), href.slice(at)];
  const from = new URLSearchParams(search);
  return path + changed(own, Object.fromEntries(CARRIED.map((name) => [name, from.get(name)])));
}

/** Whether the browser knows this time zone. */
export function isZone(name) {
  if (!name) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

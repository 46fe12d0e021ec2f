// Numbers and times as people read them. Pure; rules and test vectors (formats.json) are shared with
// server/formats.py, so that server and browser write the same number the same way.

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
export const UNKNOWN = "–";
const isUnknown = (value) => value === null || value === undefined;

/** 11890 → "11,890". */
export function thousands(count) {
  if (isUnknown(count)) return UNKNOWN;
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/**
 * Share of `part` in `total` with one decimal, more where one would round to all or nothing:
 * "100 %" and "0 %" are only used when they are exact. A dash when there is no total.
 */
export function percent(part, total) {
  if (total === 0) return UNKNOWN;
  if (part === 0) return "0 %";
  if (part === total) return "100 %";
  for (const decimals of [1, 2]) {
    const unit = 10 ** decimals;
    // Integers only: binary fractions round differently in Python.
    const scaled = Math.floor((2 * part * 100 * unit + total) / (2 * total));
    if (scaled > 0 && scaled < 100 * unit) {
      return `${Math.floor(scaled / unit)}.${String(scaled % unit).padStart(decimals, "0")} %`;
    }
  }
  return part * 2 < total ? "< 0.01 %" : "> 99.99 %";
}

/** Seconds: "45 s", "4 min", "3 h 12 min", "2 d 5 h". */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < MINUTE_S) return `${s} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min`;
  if (s < DAY_S) return twoUnits(s, [HOUR_S, "h"], [MINUTE_S, "min"]);
  return twoUnits(s, [DAY_S, "d"], [HOUR_S, "h"]);
}

function twoUnits(s, [large, largeName], [small, smallName]) {
  const rest = Math.floor((s % large) / small);
  const head = `${Math.floor(s / large)} ${largeName}`;
  return rest ? `${head} ${rest} ${smallName}` : head;
}

/** Seconds as a running clock: 192 → "03:12", 3 792 → "1:03:12". */
export function stopwatch(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const pad = (n) => String(n).padStart(2, "0");
  const minutesAndSeconds = `${pad(Math.floor((s % HOUR_S) / MINUTE_S))}:${pad(s % MINUTE_S)}`;
  return s < HOUR_S ? minutesAndSeconds : `${Math.floor(s / HOUR_S)}:${minutesAndSeconds}`;
}

/** Age of the last frame: tenths while young, so that one sees it move. */
export function frameAge(seconds) {
  return seconds < 10 ? `${Math.max(0, seconds).toFixed(1)} s` : duration(seconds);
}

/** Events a second: "2.4 /s", whole numbers from 100 on. */
export function rate(perSecond) {
  if (perSecond === null) return UNKNOWN;
  return `${perSecond < 100 ? perSecond.toFixed(1) : thousands(Math.round(perSecond))} /s`;
}

/** Milliseconds: "320 ms", "1.2 s", "45 s", "4 min". */
export function milliseconds(ms) {
  if (isUnknown(ms)) return UNKNOWN;
  const whole = Math.floor(ms + 0.5);
  if (whole < 1_000) return `${whole} ms`;
  const tenths = Math.floor((whole + 50) / 100);
  if (tenths < 100) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  return duration(Math.floor((whole + 500) / 1_000));
}

/** Bytes, in thousands: "512 B", "44.5 KB", "1.2 MB". */
export function byteSize(count) {
  if (isUnknown(count)) return UNKNOWN;
  const whole = Math.floor(count + 0.5);
  if (whole < 1_000) return `${whole} B`;
  let unit = 1_000;
  for (const name of ["KB", "MB", "GB", "TB"]) {
    const tenths = Math.floor((20 * whole + unit) / (2 * unit));
    if (tenths < 1_000) return `${Math.floor(tenths / 10)}.${tenths % 10} ${name}`;
    const units = Math.floor((2 * whole + unit) / (2 * unit));
    if (units < 1_000 || name === "TB") return `${thousands(units)} ${name}`;
    unit *= 1_000;
  }
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name that is written from right to left, so that it reorders nothing beside it in one text. */
export function isolate(name) {
  return RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name;
}

/** A share that is known as a ratio: one decimal, a dash when it is not known. */
export function ratio(value) {
  return isUnknown(value) ? UNKNOWN : percent(Math.round(value * 1e6), 1e6);
}

/** What a spreadsheet would run: strangers choose the names of domains. As server/api/csv_safe.py. */
const FORMULA = /^ *[=+\-@\t\r\n＝＋－＠]/;

/** Text for one CSV cell: quoted where needed, an apostrophe before what looks like a formula. */
export function csvCell(value) {
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The chart of an incident's evidence: texts of its figures, its marks and the end of its scale. Pure.

import { COLOURS } from "../../charts/changes.js";
import { duration, thousands, UNKNOWN } from "../../shell/formats.js";

/** A figure with its unit; a dash where it is not known. */
export function formatFigure(value, unit) {
  if (value === null || value === undefined) return UNKNOWN;
  if (unit === "%") return `${Math.round(10 * value) / 10} %`;
  if (unit === "s") return value < 60 ? `${Math.round(10 * value) / 10} s` : duration(value);
  return thousands(Math.round(value));
}

const STROKES = { none: "dotted", ok: "dashed" };

/** The flips as vertical marks: what fires is solid and weighs most. */
export function evidenceMarks(marks) {
  return marks.map(({ at, text, level }) => ({
    ms: Date.parse(at), text, short: text, meaning: COLOURS[level], stroke: STROKES[level] ?? "solid",
    weight: { none: 1, ok: 3 }[level] ?? 5,
  }));
}

/** The thresholds as horizontal lines, of which the labels do not cover each other. */
export function evidenceLevels(levels, unit) {
  return levels.map(({ value, text, level }, i) => ({ value, text: `${text} ${formatFigure(value, unit)}`, meaning: COLOURS[level], side: i ? "right" : "left" }));
}

/** The lowest upper end of the scale at which the thresholds are in sight; of large shares all of it. */
export function scaleTop(levels, values, unit) {
  const highest = Math.max(0, ...levels.map(({ value }) => value), ...values);
  if (unit === "%" && highest > 50 && highest <= 100) return 100;
  return levels.length ? 1.15 * Math.max(...levels.map(({ value }) => value)) : undefined;
}

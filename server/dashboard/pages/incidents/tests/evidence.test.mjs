// The chart of an incident's evidence: its figures, its marks, its scale.

import assert from "node:assert/strict";
import { test } from "node:test";

import { evidenceLevels, evidenceMarks, formatFigure, scaleTop } from "../evidence.js";

test("figures carry their unit, and what is not known is a dash", () => {
  assert.equal(formatFigure(null, "%"), "–");
  assert.equal(formatFigure(4.96, "%"), "5 %");
  assert.equal(formatFigure(45, "s"), "45 s");
  assert.equal(formatFigure(240, "s"), "4 min");
  assert.equal(formatFigure(12345.6, ""), "12,346");
});

test("of the marks the moment at which it fired weighs most", () => {
  const marks = evidenceMarks([
    { at: "2026-11-21T12:00:00Z", text: "began", level: "none" },
    { at: "2026-11-21T12:01:00Z", text: "fired", level: "critical" },
    { at: "2026-11-21T12:05:00Z", text: "all-clear", level: "ok" },
  ]);
  assert.deepEqual(marks.map(({ meaning, stroke }) => [meaning, stroke]), [["quiet", "dotted"], ["bounced", "solid"], ["delivered", "dashed"]]);
  assert.equal(marks.reduce((best, each) => (each.weight > best.weight ? each : best)).text, "fired");
});

test("the lines of the thresholds have labels at different ends", () => {
  const levels = evidenceLevels([{ value: 5, text: "fires", level: "critical" }, { value: 7, text: "ends", level: "ok" }], "%");
  assert.deepEqual(levels.map(({ text, meaning, side }) => [text, meaning, side]), [["fires 5 %", "bounced", "left"], ["ends 7 %", "delivered", "right"]]);
});

test("the line of the threshold is in sight even where no value comes near it", () => {
  assert.ok(scaleTop([{ value: 100 }, { value: 80 }], [3, null], "") > 100);
  assert.equal(scaleTop([], [], ""), undefined);
  assert.equal(scaleTop([{ value: 5 }], [97], "%"), 100);
  assert.ok(scaleTop([{ value: 5 }], [3], "%") < 6);
});

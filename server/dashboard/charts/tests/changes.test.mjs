// Marks of what happened to nodes: their words, and where labels have room.

import assert from "node:assert/strict";
import { test } from "node:test";

import { marksOf, placeMarks, marksWithin } from "../changes.js";

const change = (kind, more = {}) => ({ node: "mta-01", kind, subject: "host", at: "2026-11-21T12:00:00Z", ended_at: null, before: "", after: "", ...more });
const texts = (changes, options) => marksOf(changes, options).map(({ text }) => text);
const ruled = { width: 400, xOf: (ms) => ms, widthOf: (text) => 5 * text.length };
const mark = (ms, text = "mta-01: silent", weight = 1) => ({ ms, text, weight, meaning: "information", stroke: "solid" });
const labels = (marks) => placeMarks(marks, ruled).filter(({ label }) => label).map(({ ms, label, side }) => [ms, label, side]);

test("each kind of change has words of its own, with the node's name where there are several", () => {
  assert.deepEqual(texts([change("started", { subject: "zonemta" }), change("started"), change("started", { subject: "agent" })]), [
    "mta-01: ZoneMTA started", "mta-01: host started", "mta-01: agent started",
  ]);
  assert.deepEqual(texts([change("version", { subject: "haraka", before: "3.1.0", after: "3.1.1" })]), ["mta-01: Haraka 3.1.0 → 3.1.1"]);
  assert.deepEqual(texts([change("started", { subject: "postfix" })], { named: false }), ["postfix started"]);
  assert.deepEqual(texts([change("exploded")]), []);
});

test("a name from right to left reorders no word of its label, also where it is cut", () => {
  const name = "\u05d0".repeat(64);
  assert.deepEqual(texts([{ ...change("silent"), node: name }]), [`\u2068${name}\u2069: silent`]);
  const cut = labels(marksOf([{ ...change("silent"), node: name }, { ...change("silent"), node: name }]).map((each) => ({ ...each, short: each.text, ms: 10 })))[0][1];
  assert.match(cut, /^\u2068\u05d0+…\u2069 \+1$/);
});

test("a silence has a mark at each end, one that goes on only the first", () => {
  assert.deepEqual(texts([change("silent")]), ["mta-01: silent"]);
  const over = [change("silent", { ended_at: "2026-11-21T12:08:00Z" }), change("started", { at: "2026-11-21T12:05:00Z" })];
  assert.deepEqual(texts(over, { named: false }), ["silent", "host started", "back after 8 min"]);
});

test("maintenance, an incident and a block have a mark where they began, and one where they ended", () => {
  assert.deepEqual(texts([change("maintenance", { ended_at: "2026-11-21T12:08:00Z" })]), ["mta-01: maintenance", "mta-01: maintenance over after 8 min"]);
  const wrong = (kind, more = {}) => ({ ...change(kind), node: "", number: 7, severity: "critical", text: "gmail blocks 192.0.2.7", ...more });
  const [began, ended] = marksOf([wrong("incident", { ended_at: "2026-11-21T13:00:00Z" })]);
  assert.deepEqual([began.text, began.short, began.meaning, began.path], ["gmail blocks 192.0.2.7", "incident", "bounced", "/alerts/incidents/7/"]);
  assert.deepEqual([ended.short, ended.meaning, ended.path], ["over after 1 h", "delivered", began.path]);
  assert.equal(marksOf([wrong("block")])[0].path, "/email/blocks/7/");
  assert.deepEqual(labels([{ ...began, ms: 10 }, mark(20, "mta-01: silent", 5)])[0][1], `${began.text} +1`);
});

test("only what lies in the chart's time is drawn", () => {
  assert.deepEqual(marksWithin([mark(1), mark(5), mark(9)], 5, 9).map(({ ms }) => ms), [5]);
});

test("labels that would cover each other become one, which names the weightiest and counts the others", () => {
  assert.deepEqual(labels([mark(10), mark(200)]), [[10, "mta-01: silent", "right"], [200, "mta-01: silent", "right"]]);
  assert.deepEqual(labels([mark(10), mark(60, "mta-02: host started", 4), mark(90)]), [[60, "mta-02: host started +2", "right"]]);
  assert.equal(placeMarks([mark(10), mark(60, "x", 4), mark(90)], ruled).length, 3);
});

test("a label without room to the right stands on the left, and joins what stands there", () => {
  assert.deepEqual(labels([mark(390)]), [[390, "mta-01: silent", "left"]]);
  assert.deepEqual(labels([mark(290), mark(390, "back", 0)]), [[290, "mta-01: silent", "right"], [390, "back", "left"]]);
  assert.deepEqual(labels([mark(260), mark(330), mark(395, "mta-01: silent", 2)]), [[395, "mta-01: silent +2", "left"]]);
});

test("where there is little room the name of the node goes before what happened", () => {
  const narrow = { ...ruled, width: 120 };
  const [silent] = marksOf([change("silent")]);
  assert.equal(placeMarks([{ ...silent, ms: 10 }], narrow)[0].label, "silent");
});

test("marks on the same pixel are one line, and a long name is cut at half the chart", () => {
  assert.equal(placeMarks([mark(10.1), mark(10.2, "host started", 4)], ruled).length, 1);
  const [[, label]] = labels([mark(10, `${"n".repeat(64)}: silent`)]);
  assert.equal(label, `${"n".repeat(39)}…`);
});

test("a thousand marks leave the chart readable, and none is uncounted", () => {
  const many = Array.from({ length: 1000 }, (_, i) => mark((i * 400) / 1000));
  const drawn = placeMarks(many, ruled);
  assert.ok(drawn.length <= 30);
  const counted = drawn.filter(({ label }) => label).reduce((sum, { label }) => sum + 1 + Number(label.match(/\+(\d+)$/)?.[1] ?? 0), 0);
  assert.equal(counted, 1000);
});

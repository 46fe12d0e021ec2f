// Changes of nodes, incidents and blocks as vertical marks in charts over time: their texts, and the
// labels that fit. Pure.

import { duration, isolate } from "../shell/formats.js";

const PROGRAMS = {
  zonemta: "ZoneMTA", haraka: "Haraka", wildduck: "WildDuck", mongodb: "MongoDB", redis: "Redis",
  rspamd: "Rspamd", node: "Node.js", agent: "agent", host: "host",
};
/** Starts: the host's explains those of its programs. */
const WEIGHTS = { host: 4, agent: 1 };
/** What lasts, of a node. */
const LASTING = {
  silent: { text: "silent", meaning: "bounced", stroke: "solid", weight: 5 },
  maintenance: { text: "maintenance", meaning: "information", stroke: "solid", weight: 6 },
};
/** Between the labels of two marks. */
const GAP_PX = 10;
/** Vertical lines in one chart beside the labelled ones, weightiest first: more hide what they explain. */
const MAX_LINES = 16;
/** In a narrow chart at most one of them for so many pixels. */
const LINE_PX = 40;

/** Level of a judgement → the colour of its line. */
export const COLOURS = { critical: "bounced", warning: "deferred", ok: "delivered", none: "quiet" };
/** What lasts, in one word where there is little room. */
const WRONG = { incident: "incident", block: "block" };

/**
 * The marks of the API's changes, in the order of time: [{ms, text, short, meaning, stroke,
 * weight, path}]. `named`: whether the texts name the node, which `short` never does. What lasted
 * and is over has two marks. `path`: of the page of an incident or a block. Of several marks that
 * share a label the heaviest is named.
 */
export function marksOf(changes, { named = true } = {}) {
  const marks = changes.flatMap((change) => (WRONG[change.kind] ? marksOfWrong(change) : marksOfOne(change).map((mark) => (
    { ...mark, short: mark.text, text: named ? `${isolate(change.node)}: ${mark.text}` : mark.text }))));
  return marks.sort((one, other) => one.ms - other.ms);
}

/** An incident or a block: when it began and, once it is over, when it ended. */
function marksOfWrong({ kind, at, ended_at: endedAt, number, severity, text }) {
  const path = kind === "incident" ? `/alerts/incidents/${number}/` : `/email/blocks/${number}/`;
  const began = { ms: Date.parse(at), text: isolate(text), short: WRONG[kind], meaning: COLOURS[severity], stroke: "solid", weight: severity === "critical" ? 8 : 7, path };
  return endedAt === null ? [began] : [began, over(began, endedAt)];
}

function over(began, endedAt) {
  const ms = Date.parse(endedAt);
  const after = duration((ms - began.ms) / 1000);
  return { ...began, ms, text: `over after ${after}: ${began.text}`, short: `over after ${after}`, meaning: COLOURS.ok, stroke: "dashed", weight: 2 };
}

function marksOfOne({ kind, at, ended_at: endedAt, subject, before, after }) {
  const ms = Date.parse(at);
  const what = PROGRAMS[subject] ?? subject;
  if (kind === "version") return [{ ms, text: `${what} ${before} → ${after}`, meaning: "information", stroke: "solid", weight: 3 }];
  if (kind === "started") return [{ ms, text: `${what} started`, meaning: "information", stroke: "dotted", weight: WEIGHTS[subject] ?? 2 }];
  if (!LASTING[kind]) return []; // of a newer server
  const silent = { ms, ...LASTING[kind] };
  if (endedAt === null) return [silent];
  const endMs = Date.parse(endedAt);
  const text = `${kind === "silent" ? "back" : "maintenance over"} after ${duration((endMs - ms) / 1000)}`;
  return [silent, { ms: endMs, text, meaning: "delivered", stroke: "dashed", weight: 1 }];
}

/** The marks that lie in [startMs, endMs). */
export function marksWithin(marks, startMs, endMs) {
  return marks.filter(({ ms }) => ms >= startMs && ms < endMs);
}

/**
 * Marks with the place of their labels in a plot `width` pixels wide: of those on the same pixel the
 * heaviest, of very many the heavier ones. Labels never cover each other: neighbours share one, which
 * names the heaviest and counts the others, "mta-01: silent +3". xOf(ms) and widthOf(text) return
 * pixels; `side` is "left" where a label does not fit to the right of its mark.
 */
export function placeMarks(marks, { width, xOf, widthOf }) {
  const groups = [];
  for (const mark of marks) {
    let group = groupMarks([mark], { width, xOf, widthOf });
    while (groups.length && groups.at(-1).toX + GAP_PX > group.fromX) {
      group = groupMarks([...groups.pop().marks, ...group.marks], { width, xOf, widthOf });
    }
    groups.push(group);
  }
  const lines = groups.flatMap(({ marks: its, label, side, at }) => {
    const heaviest = new Map();
    for (const mark of its) {
      const x = Math.round(xOf(mark.ms));
      if (!heaviest.has(x) || heaviest.get(x).weight < mark.weight) heaviest.set(x, mark);
    }
    // The label stands at the mark it names, or where that one is hidden at the first.
    const shown = [...heaviest.values()];
    const bearer = shown.includes(at) ? at : shown[0];
    return shown.map((mark) => ({ ...mark, label: mark === bearer ? label : "", side }));
  });
  const bare = lines.filter(({ label }) => !label).sort((one, other) => other.weight - one.weight);
  const left = new Set(bare.slice(Math.min(MAX_LINES, Math.floor(width / LINE_PX))));
  return lines.filter((line) => !left.has(line));
}

function groupMarks(marks, { width, xOf, widthOf }) {
  const at = marks.reduce((best, mark) => (mark.weight > best.weight ? mark : best));
  const label = shorten([at.text, at.short ?? at.text], marks.length - 1, (text) => widthOf(text) <= width / 2);
  const long = widthOf(label);
  const x = xOf(at.ms);
  const side = x + long > width ? "left" : "right";
  const [first, last] = [xOf(marks[0].ms), xOf(marks.at(-1).ms)];
  return { marks, label, at, side, fromX: Math.min(first, side === "left" ? x - long : x), toX: Math.max(last, side === "left" ? x : x + long) };
}

const [ISOLATE, ISOLATE_ENDS] = ["\u2068", "\u2069"];

/** The first text that fits with how many more there are, else the last one cut until it does. */
function shorten(texts, more, fits) {
  const rest = more ? ` +${more}` : "";
  let cut = texts.find((text) => fits(text + rest)) ?? texts.at(-1);
  while (cut.length > 4 && !fits(cut + rest)) cut = `${cut.slice(0, -2).trimEnd()}…`;
  // A name that is cut must not go on through what follows it.
  return cut + (cut.includes(ISOLATE) && !cut.includes(ISOLATE_ENDS) ? ISOLATE_ENDS : "") + rest;
}

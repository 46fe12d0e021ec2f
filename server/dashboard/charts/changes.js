// What happened to nodes, as marks that stand upright in charts over time: in which words, and which
// of many get a label. Pure.

import { duration } from "../shell/formats.js";

const PROGRAMS = {
  zonemta: "ZoneMTA", haraka: "Haraka", wildduck: "WildDuck", mongodb: "MongoDB", redis: "Redis",
  rspamd: "Rspamd", node: "Node.js", agent: "agent", host: "host",
};
/** Of what started: the host's start explains those of its programs. */
const WEIGHTS = { host: 4, agent: 1 };
/** Between the labels of two marks. */
const GAP_PX = 10;
/** Upright lines in one chart beside those with a label, the weightiest: more hide what they explain. */
const MOST_LINES = 16;
/** A label that is cut says so. */
const CUT = "…";

/**
 * The marks of the API's changes, in the order of time: [{ms, text, short, meaning, stroke,
 * weight}]. `named`: whether the texts say which node, which `short` never does. A silence that is
 * over has two marks. weight: which of several that share a label is named.
 */
export function marksOf(changes, { named = true } = {}) {
  const marks = changes.flatMap((change) => {
    const made = (mark) => ({ ...mark, short: mark.text, text: named ? `${change.node}: ${mark.text}` : mark.text });
    const ms = Date.parse(change.at);
    const what = PROGRAMS[change.subject] ?? change.subject;
    if (change.kind === "version") {
      return [made({ ms, text: `${what} ${change.before} → ${change.after}`, meaning: "information", stroke: "solid", weight: 3 })];
    }
    if (change.kind === "started") {
      return [made({ ms, text: `${what} started`, meaning: "information", stroke: "dotted", weight: WEIGHTS[change.subject] ?? 2 })];
    }
    if (change.kind !== "silent") return []; // of a newer server
    const silent = made({ ms, text: "silent", meaning: "bounced", stroke: "solid", weight: 5 });
    if (change.ended_at === null) return [silent];
    const endMs = Date.parse(change.ended_at);
    const back = made({ ms: endMs, text: `back after ${duration((endMs - ms) / 1000)}`, meaning: "delivered", stroke: "dashed", weight: 1 });
    return [silent, back];
  });
  return marks.sort((one, other) => one.ms - other.ms);
}

/** The marks that lie in [startMs, endMs). */
export function within(marks, startMs, endMs) {
  return marks.filter(({ ms }) => ms >= startMs && ms < endMs);
}

/**
 * Where marks and their labels stand in a plot `width` pixels wide: the marks with label and side,
 * of those on the same pixel the weightiest, and of very many the weightier ones. Labels never cover each other: neighbours share
 * one, which names the weightiest and counts the others, "mta-01: silent +3". xOf(ms) and
 * widthOf(text) answer in pixels; `side` is "left" where a label has no room to the right of its mark.
 */
export function placed(marks, { width, xOf, widthOf }) {
  const groups = [];
  for (const mark of marks) {
    let group = grouped([mark], { width, xOf, widthOf });
    while (groups.length && groups.at(-1).toX + GAP_PX > group.fromX) {
      group = grouped([...groups.pop().marks, ...group.marks], { width, xOf, widthOf });
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
  const left = new Set(bare.slice(MOST_LINES));
  return lines.filter((line) => !left.has(line));
}

function grouped(marks, { width, xOf, widthOf }) {
  const at = marks.reduce((best, mark) => (mark.weight > best.weight ? mark : best));
  const label = shortened([at.text, at.short ?? at.text], marks.length - 1, (text) => widthOf(text) <= width / 2);
  const long = widthOf(label);
  const x = xOf(at.ms);
  const side = x + long > width ? "left" : "right";
  const [first, last] = [xOf(marks[0].ms), xOf(marks.at(-1).ms)];
  return { marks, label, at, side, fromX: Math.min(first, side === "left" ? x - long : x), toX: Math.max(last, side === "left" ? x : x + long) };
}

/** The first text that fits with how many more there are, else the last one cut until it does. */
function shortened(texts, more, fits) {
  const rest = more ? ` +${more}` : "";
  let cut = texts.find((text) => fits(text + rest)) ?? texts.at(-1);
  while (cut.length > 4 && !fits(cut + rest)) cut = `${cut.slice(0, -2).trimEnd()}${CUT}`;
  return cut + rest;
}

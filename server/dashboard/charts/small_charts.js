// Two small pictures that need no library: a ring of shares, and a line the size of a word.

import { make } from "../shell/text.js";

const SVG = "http://www.w3.org/2000/svg";
const RADIUS = 42;
const AROUND = 2 * Math.PI * RADIUS;
/** From this step on the colour is so near to the surface that numbers on it are the text's. */
const PALE_FROM = 3;
const pale = ({ step }) => (step >= PALE_FROM ? " pale" : "");
/** Between two parts, so that they are distinct without colour. */
const GAP = 1.2;

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Where each share lies on a ring of 1: [[start, length], …]. Pure. */
export function shares(values) {
  const sum = values.reduce((total, value) => total + value, 0);
  let start = 0;
  return values.map((value) => {
    const place = [start, sum ? value / sum : 0];
    start += place[1];
    return place;
  });
}

/**
 * A ring of parts, largest first: {name, value, text, note, step}. Each part has a number that its
 * line in the list repeats; steps of one colour, because all parts mean the same.
 */
export function donut(parts, { total, what }) {
  const places = shares(parts.map(({ value }) => value));
  const ring = places.map(([start, length], i) => {
    const arc = svg("circle", {
      cx: 60, cy: 60, r: RADIUS, fill: "none", "stroke-width": 22,
      "stroke-dasharray": `${Math.max(0.6, length * AROUND - (parts.length > 1 ? GAP : 0))} ${AROUND}`,
      "stroke-dashoffset": String(-start * AROUND),
      transform: "rotate(-90 60 60)",
      class: "ring-part",
    });
    arc.style.setProperty("--step", String(parts[i].step));
    return arc;
  });
  const numbers = places.map(([start, length], i) => {
    const angle = 2 * Math.PI * (start + length / 2) - Math.PI / 2;
    const at = { x: 60 + RADIUS * Math.cos(angle), y: 60 + RADIUS * Math.sin(angle) };
    return length < 0.06 ? "" : svg("text", { ...at, class: `ring-number${pale(parts[i])}` }, String(i + 1));
  });
  const picture = svg("svg", { viewBox: "0 0 120 120", class: "ring", "aria-hidden": "true" }, ...ring, ...numbers,
    svg("text", { x: 60, y: 58, class: "ring-total" }, total), svg("text", { x: 60, y: 72, class: "ring-what" }, what));
  const list = make("ol", { class: "ring-list figures" }, ...parts.map((part) => {
    const { name, text, note, step } = part;
    const swatch = make("span", { class: `ring-swatch${pale(part)}`, "aria-hidden": "true" });
    swatch.style.setProperty("--step", String(step));
    return make("li", {}, swatch, make("span", { class: "ring-name" }, name), make("b", {}, text), make("span", { class: "quiet" }, note));
  }));
  return make("div", { class: "ring-box" }, picture, list);
}

/** The points of a line in a box of width × height, split where a value is unknown. Pure. */
export function sparkPaths(values, width, height) {
  const known = values.filter((value) => value !== null);
  const max = Math.max(1, ...known);
  const x = (i) => (values.length > 1 ? (i * width) / (values.length - 1) : 0);
  const y = (value) => height - 1 - ((height - 2) * value) / max;
  const points = values.map((value, i) => (value === null ? "|" : `${x(i).toFixed(1)},${y(value).toFixed(1)}`));
  return points.join(" ").split("|").map((path) => path.trim()).filter(Boolean);
}

/** A line the size of a word, from zero. */
export function sparkline(values, { width = 110, height = 26 } = {}) {
  const lines = sparkPaths(values, width, height).map((points) => svg("polyline", { points, fill: "none", class: "spark-line" }));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "spark", "aria-hidden": "true" }, ...lines);
}

// All nodes over time by one reading: a row each, the odd one on top.

import "../../shell/shell.js";
import { duration } from "../../shell/formats.js";
import { proportional } from "../../charts/heat.js";
import { page } from "../../shell/page.js";
import { panel } from "../../charts/panel.js";
import { getSamples, newestOf, formatReading } from "../../charts/readings.js";
import { columnsOf } from "../../charts/table.js";
import { make } from "../../shell/text.js";

/** Rows drawn; the others are in the table. */
const MAX_ROWS = 60;
const { readings } = JSON.parse(document.getElementById("chart-facts").textContent);
const choice = document.getElementById("reading");

function chosen() {
  const wanted = page.param("reading");
  const reading = Object.hasOwn(readings, wanted) ? wanted : Object.keys(readings)[0];
  const [name, unit, top] = readings[reading];
  return { reading, name, unit, top };
}

/** Nodes with the highest value anywhere first. */
function sorted(answer, reading) {
  const highest = ({ buckets }) => Math.max(-1, ...buckets.map((bucket) => bucket[reading] ?? -1));
  return answer.series.map((each) => ({ ...each, highest: highest(each) })).sort((a, b) => b.highest - a.highest || a.node.localeCompare(b.node));
}

function heatTable(answer) {
  const { reading, unit, top } = chosen();
  const rows = sorted(answer, reading).slice(0, MAX_ROWS);
  const max = top ?? Math.max(0, ...rows.map(({ highest }) => highest));
  const nowMs = page.nowMs();
  const widthMs = 1000 * answer.width_s;
  const starts = rows[0].buckets.map(({ start }) => Date.parse(start));
  const ticks = page.zone.ticks(starts[0], starts.at(-1), 6);
  const spans = ticks.map((tick, i) => starts.filter((ms) => ms >= tick && ms < (ticks[i + 1] ?? Infinity)).length);
  const before = starts.length - spans.reduce((sum, n) => sum + n, 0);
  const head = make("tr", {}, make("th", { scope: "col" }, "node"), make("th", { scope: "col" }, "newest"),
    before ? make("td", { colspan: before, "aria-hidden": "true" }) : null,
    ...ticks.map((tick, i) => (spans[i] ? make("th", { colspan: spans[i], "aria-hidden": "true" }, page.zone.tickLabel(tick)) : null)));
  const body = rows.map(({ node, buckets, last_at: lastAt, stale }) => make("tr", {},
    make("th", { scope: "row" }, make("a", { href: page.href(`/nodes/named/${encodeURIComponent(node)}/`) }, node)),
    make("td", { class: `now-value${stale ? " quiet" : ""}` }, formatReading(newestOf(buckets, reading), unit),
      stale ? make("span", { class: "small now-age" }, `${duration((nowMs - Date.parse(lastAt)) / 1000)} ago`) : null),
    ...buckets.map((bucket) => {
      const value = bucket[reading] ?? null;
      const startMs = Date.parse(bucket.start);
      const when = page.zone.span(startMs, startMs + widthMs, nowMs);
      const cell = make("td", { class: value === null ? "unknown" : null, title: `${node}, ${when}: ${value === null ? "no sample" : formatReading(value, unit)}`, "aria-hidden": "true" }, make("span"));
      if (value !== null) cell.style.setProperty("--heat-share", String(2 * proportional(value, max)));
      return cell;
    })));
  const table = make("table", { class: "heat heat-time" }, make("thead", {}, head), make("tbody", {}, ...body));
  table.style.setProperty("--heat", "var(--series-1)");
  const scale = make("p", { class: "heat-scale" }, formatReading(0, unit), make("span", { class: "ramp" }), formatReading(max, unit),
    make("span", { class: "swatch swatch-plain legend-unknown" }, "no sample"),
    answer.series.length > MAX_ROWS ? `the ${MAX_ROWS} highest of ${answer.series.length} nodes` : "the highest of the range first");
  scale.style.setProperty("--heat", "var(--series-1)");
  return [scale, make("div", { class: "heat-scroll", tabindex: "0", role: "region", "aria-label": "Nodes over time" }, table)];
}

panel("nodes-by-time", {
  load: () => getSamples("system", { fields: [chosen().reading] }),
  empty: (answer) => (answer.series.length ? "" : "No sample of any node in this range."),
  draw(answer, body) {
    this.note(chosen().name);
    body.replaceChildren(...(answer.series.length ? heatTable(answer) : []));
  },
  table(answer) {
    const { reading, unit } = chosen();
    const starts = answer.series[0]?.buckets.map(({ start }) => start) ?? [];
    return {
      columns: columnsOf("node", ...starts.map((start) => page.zone.moment(Date.parse(start), page.nowMs()))),
      rows: sorted(answer, reading).map(({ node, buckets }) => [node, ...buckets.map((bucket) => ({ text: formatReading(bucket[reading], unit), value: bucket[reading] ?? null }))]),
    };
  },
  file: "nodes-by-time",
});
choice.addEventListener("change", () => page.set({ reading: choice.value }));
page.addEventListener("moved", () => {
  choice.value = chosen().reading;
});

// Two to five nodes beside each other: one line each, the same colour and stroke in every chart.

import "../../shell/shell.js";
import { TimeChart } from "../../charts/chart.js";
import { bounds, chartWidth, points, totalOf } from "../../charts/flow.js";
import { thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { panel } from "../../charts/panel.js";
import { ask, boundsOf, bucketsOf, newestOf, onScale, pointsOf, said } from "../../charts/readings.js";

const { nodes, readings } = JSON.parse(document.getElementById("chart-facts").textContent);
const STROKES = ["solid", "dashed", "dotted", "solid", "dashed"];
const look = (i) => ({ colour: `series-${i + 1}`, stroke: STROKES[i] });

function readingPanel(reading, [title, unit, top]) {
  if (!document.getElementById(reading)) return;
  let chart = null;
  panel(reading, {
    marked: nodes,
    load: () => ask("system", { fields: Object.keys(readings) }),
    empty: (answer) => (nodes.some((node) => newestOf(bucketsOf(answer, node), reading) !== null) ? "" : "No reading in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, { format: (value) => said(value, unit), axis: (value) => onScale(value, unit), total: false });
      const lines = nodes.map((node, i) => ({ id: node, name: node, ...look(i), buckets: bucketsOf(answer, node) }));
      this.legend(lines.map(({ name, colour, stroke, buckets }) => ({ name, colour, stroke, value: said(newestOf(buckets, reading), unit) })));
      return chart.show({
        ...boundsOf(answer),
        marks: this.marks,
        top: top ?? undefined,
        series: lines.map(({ buckets, ...line }) => ({ ...line, points: pointsOf(buckets, reading) })),
      });
    },
    table: (answer) => {
      const columns = nodes.map((node) => new Map(bucketsOf(answer, node).map((bucket) => [bucket.start, bucket[reading]])));
      const starts = [...new Set(columns.flatMap((column) => [...column.keys()]))].sort().reverse();
      return {
        columns: [{ name: "from" }, ...nodes.map((name) => ({ name, numeric: true }))],
        rows: starts.map((start) => [
          { text: page.zone.moment(Date.parse(start), page.nowMs()), value: start },
          ...columns.map((column) => ({ text: said(column.get(start), unit), value: column.get(start) ?? null })),
        ]),
      };
    },
    file: `compared-${title}`.replaceAll(" ", "-"),
  });
}

function deliveredPanel() {
  if (!document.getElementById("delivered")) return;
  let chart = null;
  const of = (answer, node) => answer.series.find(({ value }) => value === node)?.buckets ?? [];
  panel("delivered", {
    marked: nodes,
    load: () => page.get("email/throughput", { direction: "outbound", by: "node", limit: 100, width: chartWidth(page.range().lengthMs) }),
    empty: (answer) => (nodes.some((node) => totalOf(of(answer, node), "delivered")) ? "" : "None of these nodes delivered outbound mail in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, { total: false });
      this.legend(nodes.map((name, i) => ({ name, ...look(i), value: thousands(totalOf(of(answer, name), "delivered")) })));
      return chart.show({
        ...bounds(answer),
        marks: this.marks,
        series: nodes.map((node, i) => ({ id: node, name: node, ...look(i), points: points(of(answer, node), "delivered") })),
      });
    },
    table: (answer) => ({
      columns: [{ name: "node" }, ...["sent", "delivered", "deferred", "bounced"].map((name) => ({ name, numeric: true }))],
      rows: nodes.map((node) => [node, ...["sent", "delivered", "deferred", "bounced"].map((type) => totalOf(of(answer, node), type))]),
    }),
    file: "compared-delivered",
  });
}

deliveredPanel();
for (const [reading, about] of Object.entries(readings)) readingPanel(reading, about);

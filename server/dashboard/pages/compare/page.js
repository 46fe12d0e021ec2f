// Two to five nodes beside each other: one line each, the same colour and stroke in every chart.

import "../../shell/shell.js";
import { chartPanel } from "../../charts/chart_panel.js";
import { bounds, outboundTable, points, totalOf } from "../../charts/flow.js";
import { thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { bucketsOf, getSamples } from "../../charts/readings.js";
import { readingsPanel } from "../../charts/readings_panel.js";
import { width } from "../../charts/stacked_panel.js";

const { nodes, readings } = JSON.parse(document.getElementById("chart-facts").textContent);
const STROKES = ["solid", "dashed", "dotted", "solid", "dashed"];
const look = (i) => ({ colour: `series-${i + 1}`, stroke: STROKES[i] });

function showReading(reading, [title, unit, top]) {
  readingsPanel(reading, {
    marked: nodes,
    load: () => getSamples("system", { fields: Object.keys(readings) }),
    unit,
    top,
    lines: (answer) => nodes.map((node, i) => ({ id: node, name: node, ...look(i), reading, buckets: bucketsOf(answer, node) })),
    file: `compared-${title}`.replaceAll(" ", "-"),
  });
}

function showDelivered() {
  const of = (answer, node) => answer.series.find(({ value }) => value === node)?.buckets ?? [];
  chartPanel("delivered", {
    marked: nodes,
    load: () => page.get("email/throughput", { direction: "outbound", by: "node", limit: 100, width: width() }),
    chart: { total: false },
    empty: (answer) => (nodes.some((node) => totalOf(of(answer, node), "delivered")) ? "" : "None of these nodes delivered outbound mail in this range."),
    show(answer) {
      this.legend(nodes.map((name, i) => ({ name, ...look(i), value: thousands(totalOf(of(answer, name), "delivered")) })));
      return {
        ...bounds(answer),
        series: nodes.map((node, i) => ({ id: node, name: node, ...look(i), points: points(of(answer, node), "delivered") })),
      };
    },
    table: (answer) => outboundTable("node", nodes.map((node) => [node, (type) => totalOf(of(answer, node), type)])),
    file: "compared-delivered",
  });
}

if (document.getElementById("delivered")) { // enough nodes are chosen
  showDelivered();
  for (const [reading, about] of Object.entries(readings)) showReading(reading, about);
}

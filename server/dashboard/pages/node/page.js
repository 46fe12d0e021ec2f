// The page of one node: charts load when they come into sight, each kind of samples in one request.

import "../../shell/shell.js";
import { page } from "../../shell/page.js";
import { bucketsOf, getSamples } from "../../charts/readings.js";
import { readingsPanel } from "../../charts/readings_panel.js";

/** A chart is loaded when it is nearer to the window than this. */
const NEAR = "300px";
const facts = JSON.parse(document.getElementById("chart-facts").textContent);

/** Samples of a kind; of the mail queue the node's share, in the same shape. */
async function load(kind) {
  if (kind !== "queue") return getSamples(kind, { node: facts.node });
  const answer = await page.get("email/queue/share", { node: facts.node });
  return { ...answer, series: [{ node: facts.node, buckets: answer.buckets }] };
}

function showChart(kind, { id, title, unit, lines, top }) {
  readingsPanel(id, {
    load: () => load(kind),
    marked: [facts.node],
    unit,
    top,
    lines: (answer) => lines.map(([reading, name, colour = "series-1", stroke = "solid"]) => ({
      id: reading, reading, name, colour, stroke, column: `${name} (${unit.replace("_", "/")})`, buckets: bucketsOf(answer, facts.node),
    })),
    file: `${facts.node}-${title}`.replaceAll(/[^\w.-]+/g, "-"),
  });
}

function showOnceNear(kind, chart) {
  const near = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    near.disconnect();
    showChart(kind, chart);
  }, { rootMargin: NEAR });
  near.observe(document.getElementById(chart.id));
}

for (const [kind, charts] of Object.entries(facts.charts)) for (const chart of charts) showOnceNear(kind, chart);

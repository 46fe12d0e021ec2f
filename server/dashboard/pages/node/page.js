// The page of one node: what the server painted is kept current, the charts load when they come
// into sight, each kind of samples asked for once.

import "../../shell/shell.js";
import { TimeChart } from "../../charts/chart.js";
import { page } from "../../shell/page.js";
import { panel } from "../../charts/panel.js";
import { ask, boundsOf, bucketsOf, newestOf, onScale, pointsOf, said } from "../../charts/readings.js";

/** A chart is loaded when it is nearer to the window than this. */
const NEAR = "300px";
const facts = JSON.parse(document.getElementById("chart-facts").textContent);

/** Samples of a kind; of the mail queue the node's share, in the same shape. */
async function load(kind) {
  if (kind !== "queue") return ask(kind, { node: facts.node });
  const answer = await page.get("email/queue/share", { node: facts.node });
  return { ...answer, series: [{ node: facts.node, buckets: answer.buckets }] };
}

function chartPanel(kind, { id, title, unit, lines, top }) {
  let chart = null;
  const known = (answer) => bucketsOf(answer, facts.node).some((bucket) => lines.some(({ reading }) => (bucket[reading] ?? null) !== null));
  panel(id, {
    load: () => load(kind),
    marked: [facts.node],
    empty: (answer) => (known(answer) ? "" : "No reading in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, { format: (value) => said(value, unit), axis: (value) => onScale(value, unit), total: false });
      const buckets = bucketsOf(answer, facts.node);
      this.note(answer.cut ? "as far back as it is kept" : "");
      this.legend(
        lines.map(({ reading, name, colour, stroke }) => ({ name, colour, stroke, value: said(newestOf(buckets, reading), unit) })),
      );
      return chart.show({
        ...boundsOf(answer),
        marks: this.marks,
        top: top ?? undefined,
        series: lines.map(({ reading, name, colour, stroke }) => ({ id: reading, name, colour, stroke, points: pointsOf(buckets, reading) })),
      });
    },
    table: (answer) => ({
      columns: [{ name: "from" }, ...lines.map(({ name }) => ({ name: `${name} (${unit.replace("_", "/")})`, numeric: true }))],
      rows: bucketsOf(answer, facts.node).toReversed().map((bucket) => [
        { text: page.zone.moment(Date.parse(bucket.start), page.nowMs()), value: bucket.start },
        ...lines.map(({ reading }) => ({ text: said(bucket[reading], unit), value: bucket[reading] ?? null })),
      ]),
    }),
    file: `${facts.node}-${title}`.replaceAll(/[^\w.-]+/g, "-"),
  });
}

const waiting = new Map();
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    chartPanel(...waiting.get(target));
  }
}, { rootMargin: NEAR });

for (const [kind, charts] of Object.entries(facts.charts)) {
  for (const chart of charts) {
    const place = document.getElementById(chart.id);
    waiting.set(place, [kind, chart]);
    near.observe(place);
  }
}

// The page /email/outbound/.

import "./frame.js";
import { TimeChart } from "./chart.js";
import { live } from "./connection.js";
import { Counters } from "./counters.js";
import { bounds, chartWidth, oddOnes, points, shownOutcomes, tableOf, totalOf, widthWords } from "./flow.js";
import { thousands } from "./format.js";
import { page } from "./page.js";
import { panel } from "./panel.js";
import { ratePanel } from "./rate_panel.js";
import { setText } from "./text.js";

const historyUntilMs = page.facts.demo_history_until && Date.parse(page.facts.demo_history_until);

function marks() {
  return historyUntilMs ? [{ ms: historyUntilMs, text: "real mail from here" }] : [];
}

/** Where the events behind a bucket of a chart are listed. */
function events(startMs, endMs, more) {
  const [from, to] = [startMs, Math.min(endMs, page.nowMs())].map((ms) => new Date(ms).toISOString());
  location.assign(page.href("/events/", { range: null, from, to, direction: "outbound", ...more }));
}

function outcomesPanel() {
  let chart = null;
  panel("outcomes", {
    load: () => page.get("email/throughput", { direction: "outbound", width: chartWidth(page.range().lengthMs) }),
    empty: (answer) => (shownOutcomes(answer).some((type) => totalOf(answer.buckets, type)) ? "" : "No mail in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, {
        stacked: true,
        onPick: ({ startMs, endMs, series }) => events(startMs, endMs, { type: series.id }),
      });
      const types = shownOutcomes(answer);
      this.note(widthWords(answer.width_s));
      this.legend(
        types.map((type) => ({ name: type, meaning: type, value: thousands(totalOf(answer.buckets, type)) })),
        "dashed: still running",
      );
      const inferred = new Map(answer.buckets.map((bucket) => [Date.parse(bucket.start), bucket.inferred]));
      return chart.show({
        ...bounds(answer),
        series: types.map((type) => ({ id: type, name: type, meaning: type, points: points(answer.buckets, type) })),
        marks: marks(),
        note: (ms) => (inferred.get(ms) ? `${thousands(inferred.get(ms))} inferred by the change stream` : ""),
      });
    },
    table: (answer) => tableOf(answer, shownOutcomes(answer), (startMs, endMs) => page.zone.span(startMs, endMs, page.nowMs())),
    file: "outbound",
  });
}

function byNodePanel() {
  let chart = null;
  const lines = (answer) => answer.series.map(({ value, buckets }) => ({ id: value, points: points(buckets, "delivered") }));
  panel("by-node", {
    load: () => page.get("email/throughput", { direction: "outbound", by: "node", limit: 20, width: chartWidth(page.range().lengthMs) }),
    empty: (answer) => (answer.series.length ? "" : "No mail in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, {
        onPick: ({ startMs, endMs, series }) => events(startMs, endMs, { mta_node: series.id }),
      });
      const all = lines(answer);
      const odd = new Set(oddOnes(all));
      this.note(widthWords(answer.width_s, "deliveries"));
      this.legend(
        answer.series.map(({ value, buckets }) => ({
          name: value,
          colour: odd.has(value) ? "deferred" : "quiet",
          stroke: "solid",
          value: thousands(totalOf(buckets, "delivered")),
          title: odd.has(value) ? "Far from what the other nodes deliver" : null,
        })),
        odd.size ? "strong: far from the others" : "",
      );
      return chart.show({
        ...bounds(answer),
        series: all.map(({ id, points: its }) => ({
          id, name: id, points: its, stroke: "solid",
          colour: odd.has(id) ? "deferred" : "quiet",
          weight: odd.has(id) ? "strong" : all.length > 1 ? "pale" : undefined,
        })),
        marks: marks(),
      });
    },
    table: (answer) => ({
      columns: [{ name: "node" }, ...["sent", "delivered", "deferred", "bounced"].map((name) => ({ name, numeric: true }))],
      rows: answer.series.map(({ value, buckets }) => [
        { text: value, href: page.href("/events/", { direction: "outbound", mta_node: value }) },
        ...["sent", "delivered", "deferred", "bounced"].map((type) => totalOf(buckets, type)),
      ]),
    }),
    file: "outbound-by-node",
  });
}

const counters = new Counters(page.element);
const inferred = document.querySelector('[data-part="inferred"]');
live.onFrame(({ hour }) => {
  counters.show(hour);
  inferred.hidden = hour.inferred === 0;
  const [noun, verb] = hour.inferred === 1 ? ["outcome", "is"] : ["outcomes", "are"];
  setText(inferred, `${thousands(hour.inferred)} of these ${noun} ${verb} inferred by the change stream.`);
});
outcomesPanel();
ratePanel("rate", [
  { field: "outbound:delivered", name: "delivered", colour: "delivered", stroke: "solid" },
  { field: "outbound:sent", name: "sent", colour: "sent", stroke: "dashed" },
]);
byNodePanel();

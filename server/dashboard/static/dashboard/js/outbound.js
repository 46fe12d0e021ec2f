// The page /email/outbound/.

import "./frame.js";
import { TimeChart } from "./chart.js";
import { live } from "./connection.js";
import { Counters } from "./counters.js";
import { bounds, oddOnesNowAndBefore, partialMs, points, totalOf, widthWords } from "./flow.js";
import { thousands } from "./format.js";
import { page } from "./page.js";
import { panel } from "./panel.js";
import { ratePanel } from "./rate_panel.js";
import { showEvents, stackedPanel, width } from "./stacked_panel.js";
import { setText } from "./text.js";

function byNodePanel() {
  let chart = null;
  const lines = (answer) => answer.series.map(({ value, buckets }) => ({ id: value, points: points(buckets, "delivered") }));
  panel("by-node", {
    load: () => page.get("email/throughput", { direction: "outbound", by: "node", limit: 20, width: width() }),
    marked: true,
    empty: (answer) => (answer.series.length ? "" : "No mail in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, {
        onPick: ({ startMs, endMs, series }) => showEvents(startMs, endMs, { direction: "outbound", mta_node: series.id }),
      });
      const all = lines(answer);
      const odd = new Set(oddOnesNowAndBefore(all, partialMs(answer.buckets)));
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
        marks: this.marks,
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
stackedPanel("outcomes", { load: () => page.get("email/throughput", { direction: "outbound", width: width() }), file: "outbound" });
ratePanel("rate", [
  { field: "outbound:delivered", name: "delivered", colour: "delivered", stroke: "solid" },
  { field: "outbound:sent", name: "sent", colour: "sent", stroke: "dashed" },
]);
byNodePanel();

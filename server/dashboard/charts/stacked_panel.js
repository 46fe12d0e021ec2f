// What became of mail over time, stacked, with a click to the events behind it.

import { TimeChart } from "./chart.js";
import { bounds, chartWidth, points, shownOutcomes, tableOf, totalOf, widthWords } from "./flow.js";
import { thousands } from "../shell/formats.js";
import { page } from "../shell/page.js";
import { panel } from "./panel.js";

/** Where the events behind a bucket of a chart are listed. */
export function showEvents(startMs, endMs, more) {
  const [from, to] = [startMs, Math.min(endMs, page.nowMs())].map((ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`);
  location.assign(page.href("/events/", { range: null, from, to, ...more }));
}

/** The width in which the charts of this page ask. */
export const width = () => chartWidth(page.range().lengthMs);

/**
 * Bind the panel `id`. load(): an answer with `direction`, `buckets` …; type(outcome) → the event
 * type that is listed for it.
 */
export function stackedPanel(id, { load, type = (outcome) => outcome, file = id }) {
  let chart = null;
  return panel(id, {
    load,
    marked: true,
    empty: (answer) => (shownOutcomes(answer).some((outcome) => totalOf(answer.buckets, outcome)) ? "" : "No mail in this range."),
    draw(answer, body) {
      chart ??= new TimeChart(body, {
        stacked: true,
        onPick: ({ startMs, endMs, series }) => showEvents(startMs, endMs, { direction: answer.direction, type: type(series.id) }),
      });
      const outcomes = shownOutcomes(answer);
      this.note(widthWords(answer.width_s) + (answer.cut ? ", as far back as it is kept" : ""));
      this.legend(
        outcomes.map((outcome) => ({ name: outcome, meaning: outcome, value: thousands(totalOf(answer.buckets, outcome)) })),
        "dashed: still running",
      );
      const inferred = new Map(answer.buckets.map((bucket) => [Date.parse(bucket.start), bucket.inferred]));
      return chart.show({
        ...bounds(answer),
        series: outcomes.map((outcome) => ({ id: outcome, name: outcome, meaning: outcome, points: points(answer.buckets, outcome) })),
        marks: this.marks,
        note: (ms) => (inferred.get(ms) ? `${thousands(inferred.get(ms))} inferred by the change stream` : ""),
      });
    },
    table: (answer) => tableOf(answer, shownOutcomes(answer), (startMs, endMs) => page.zone.span(startMs, endMs, page.nowMs())),
    file,
  });
}

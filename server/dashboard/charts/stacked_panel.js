// Outcomes of mail over time, stacked; a click leads to the events.

import { bucketTable, chartPanel } from "./chart_panel.js";
import { bounds, chartWidth, outcomeColumns, points, shownOutcomes, totalOf, widthWords } from "./flow.js";
import { thousands } from "../shell/formats.js";
import { page } from "../shell/page.js";
import { rfc3339 } from "../shell/params.js";

/** Where the events behind a bucket of a chart are listed. */
export function showEvents(startMs, endMs, more) {
  const [from, to] = [startMs, Math.min(endMs, page.nowMs())].map(rfc3339);
  location.assign(page.href("/events/", { range: null, from, to, ...more }));
}

/** The width of buckets for the charts of this page. */
export const width = () => chartWidth(page.range().lengthMs);

/**
 * Bind the panel `id` to the outcomes of a direction. load(): an answer with `buckets`;
 * type(outcome): the event type that a click on it lists, with these `filters`; marks: of the
 * page's own, beside those that `marked` chooses, see panel().
 */
export function stackedPanel(id, { direction, load, type = (outcome) => outcome, filters = {}, marks = [], marked = true, file = id }) {
  return chartPanel(id, {
    load,
    marked,
    chart: {
      stacked: true,
      onPick: ({ startMs, endMs, series }) => showEvents(startMs, endMs, { direction, type: type(series.id), ...filters }),
    },
    empty: (answer) => (shownOutcomes(answer).some((outcome) => totalOf(answer.buckets, outcome)) ? "" : "No mail in this range."),
    show(answer) {
      const outcomes = shownOutcomes(answer);
      this.note(widthWords(answer.width_s) + (answer.cut ? ", as far back as it is stored" : ""));
      this.legend(
        outcomes.map((outcome) => ({ name: outcome, meaning: outcome, value: thousands(totalOf(answer.buckets, outcome)) })),
        "dashed: still running",
      );
      const inferred = new Map(answer.buckets.map((bucket) => [Date.parse(bucket.start), bucket.inferred]));
      return {
        ...bounds(answer),
        marks,
        series: outcomes.map((outcome) => ({ id: outcome, name: outcome, meaning: outcome, points: points(answer.buckets, outcome) })),
        note: (ms) => (inferred.get(ms) ? `${thousands(inferred.get(ms))} inferred by the change stream` : ""),
      };
    },
    table: (answer) => bucketTable(answer.buckets, outcomeColumns(shownOutcomes(answer)), answer.width_s),
    file,
  });
}

// Panels with one chart over time, and the tables of their buckets.

import { page } from "../shell/page.js";
import { TimeChart } from "./chart.js";
import { STRETCH } from "./flow.js";
import { panel } from "./panel.js";

/**
 * Bind the panel `id` to a chart. `chart`: options of TimeChart; `show(answer)`: what TimeChart.show
 * takes, without the marks; all others as for panel().
 */
export function chartPanel(id, { chart: options, show, ...others }) {
  let chart = null;
  return panel(id, {
    marked: true,
    ...others,
    draw(answer, body) {
      chart ??= new TimeChart(body, options);
      return chart.show({ ...show.call(this, answer), marks: this.marks });
    },
  });
}

/**
 * A table of buckets, newest first. `columns`: {name, cell(bucket)}. The first column is the
 * bucket's stretch of time where `widthS` is known, else its beginning.
 */
export function bucketTable(buckets, columns, widthS = null) {
  const first = ({ start, partial }) => {
    const ms = Date.parse(start);
    const nowMs = page.nowMs();
    const text = widthS === null ? page.zone.moment(ms, nowMs) : page.zone.span(ms, ms + 1000 * widthS, nowMs);
    return { text: text + (partial ? " (running)" : ""), value: start };
  };
  return {
    columns: [widthS === null ? { name: "from" } : STRETCH, ...columns.map(({ name }) => ({ name, numeric: true }))],
    rows: buckets.toReversed().map((bucket) => [first(bucket), ...columns.map(({ cell }) => cell(bucket))]),
  };
}

// Panels with one chart over time, and the tables of their buckets.

import { page } from "../shell/page.js";
import { TimeChart } from "./chart.js";
import { tableOf } from "./flow.js";
import { panel } from "./panel.js";

/**
 * Bind the panel `id` to a chart. `chart`: options of TimeChart; `show(answer)`: what TimeChart.show
 * takes, of the marks those beside the changes of nodes; all others as for panel().
 */
export function chartPanel(id, { chart: options, show, ...others }) {
  let chart = null;
  return panel(id, {
    marked: true,
    ...others,
    draw(answer, body) {
      chart ??= new TimeChart(body, options);
      const { marks = [], ...shown } = show.call(this, answer);
      return chart.show({ ...shown, marks: [...marks, ...this.marks].sort((one, other) => one.ms - other.ms) });
    },
  });
}

/**
 * A table of buckets, newest first. `columns`: {name, cell(bucket)}. The first column is the
 * bucket's stretch of time where `widthS` is known (a file has its beginning, in UTC), else its beginning.
 */
export function bucketTable(buckets, columns, widthS = null) {
  const nowMs = page.nowMs();
  if (widthS === null) return tableOf(buckets, columns, { name: "from", file: "start" }, ({ start }) => page.zone.moment(Date.parse(start), nowMs));
  return tableOf(buckets, columns, { name: "from – to", file: "start" }, ({ start, end }) => {
    const startMs = Date.parse(start);
    return page.zone.span(startMs, end ? Date.parse(end) : startMs + 1000 * widthS, nowMs);
  });
}

// A panel with readings of nodes over time, one line each.

import { bucketTable, chartPanel } from "./chart_panel.js";
import { boundsOf, formatReading, formatTick, newestOf, pointsOf } from "./readings.js";

/**
 * Bind the panel `id`. `lines(answer)`: [{id, name, column, reading, buckets, colour, stroke}];
 * `unit` and `top` of the scale; all others as for panel().
 */
export function readingsPanel(id, { lines, unit, top, ...others }) {
  chartPanel(id, {
    ...others,
    chart: { format: (value) => formatReading(value, unit), axis: (value) => formatTick(value, unit), total: false },
    empty: (answer) => (lines(answer).some(({ buckets, reading }) => newestOf(buckets, reading) !== null) ? "" : "No reading in this range."),
    show(answer) {
      const drawn = lines(answer);
      this.note(answer.cut ? "as far back as it is stored" : "");
      this.legend(drawn.map(({ name, colour, stroke, buckets, reading }) => ({ name, colour, stroke, value: formatReading(newestOf(buckets, reading), unit) })));
      return {
        ...boundsOf(answer),
        top: top ?? undefined,
        series: drawn.map(({ id: line, name, colour, stroke, buckets, reading }) => ({ id: line, name, colour, stroke, points: pointsOf(buckets, reading) })),
      };
    },
    table(answer) {
      const columns = lines(answer).map(({ name, column = name, buckets, reading }) => {
        const values = new Map(buckets.map((bucket) => [bucket.start, bucket[reading] ?? null]));
        return { name: column, values, cell: ({ start }) => ({ text: formatReading(values.get(start), unit), value: values.get(start) ?? null }) };
      });
      const starts = [...new Set(columns.flatMap(({ values }) => [...values.keys()]))].sort();
      return bucketTable(starts.map((start) => ({ start })), columns);
    },
  });
}

// One incident: the chart of its evidence; a acknowledges it, s snoozes it for an hour.

import "../../shell/shell.js";
import { bucketTable, chartPanel } from "../../charts/chart_panel.js";
import { boundsOf, formatTick } from "../../charts/readings.js";
import { page } from "../../shell/page.js";
import { setUpKeys } from "../../shell/controls/keys.js";
import { evidenceLevels, evidenceMarks, formatFigure, scaleTop } from "./evidence.js";

const press = (key) => () => document.querySelector(`[data-press="${key}"]`)?.click();

setUpKeys({ a: press("a"), s: press("s") });

let unit = "";
const format = (value) => formatFigure(value, unit);

if (document.getElementById("evidence")) {
  chartPanel("evidence", {
    marked: null,
    load: () => page.getJson(new URL("evidence", location.href).pathname),
    chart: { alone: true, format, axis: (value) => (unit === "s" ? formatTick(value, unit) : format(value)) },
    empty: ({ points }) => (points.some(([, value]) => value !== null) ? "" : "No reading of this time is kept."),
    show(answer) {
      unit = answer.unit;
      const newest = answer.points.findLast(([, value]) => value !== null);
      this.legend([{ name: answer.label, colour: "series-1", value: format(newest?.[1]) }]);
      return {
        ...boundsOf(answer),
        series: [{ id: "figure", name: answer.label, colour: "series-1", points: answer.points.map(([at, value]) => [Date.parse(at), value]) }],
        levels: evidenceLevels(answer.levels, unit),
        marks: evidenceMarks(answer.marks),
        top: scaleTop(answer.levels, answer.points.map(([, value]) => value), unit),
      };
    },
    table: ({ points, label }) => bucketTable(points.map(([start, value]) => ({ start, value })), [
      { name: label, cell: ({ value }) => ({ text: format(value), value }) },
    ]),
    file: "evidence",
  });
}

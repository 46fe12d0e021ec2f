// The two charts of the page. Everything here is painting: numbers come from rates.js and
// throughput.js. Straight lines, no smoothing, no animation.

import { init } from "../../vendor/echarts.js";
import { hourMinute, rate, thousands } from "./format.js";
import { WINDOW_S } from "./rates.js";
import { CHANGED } from "./theme.js";
import { rows, shownOutcomes, stack } from "./throughput.js";

/** So that colour never speaks alone: what each outcome's area is hatched with. */
const HATCH = {
  deferred: { symbol: "circle", symbolSize: 0.35, dashArrayX: [[5, 5]], dashArrayY: [5, 5] },
  bounced: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 6], rotation: -Math.PI / 4 },
  rejected: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [3, 3], rotation: Math.PI / 4 },
  dropped: { symbol: "rect", dashArrayX: [[4, 4]], dashArrayY: [2, 4] },
};

/** Lines of the rate chart: what frames call it, what people do, its colour and its stroke. */
export const RATES = [
  { field: "outbound:delivered", name: "delivered", colour: "delivered", stroke: "solid" },
  { field: "outbound:sent", name: "sent", colour: "sent", stroke: "dashed" },
  { field: "inbound:received", name: "received", colour: "received", stroke: "dotted" },
];

class Chart {
  constructor(element, tooltip) {
    this.element = element;
    this.tooltip = tooltip;
    element.replaceChildren();
    this.chart = init(element);
    new ResizeObserver(() => this.chart.resize()).observe(element);
    document.addEventListener(CHANGED, () => this.paint());
  }

  /** What both charts share. */
  base(theme) {
    const text = { color: theme("quiet"), fontSize: 12 };
    return {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(this.element).fontFamily },
      grid: { left: 4, right: 12, top: 24, bottom: 4, containLabel: true },
      xAxis: {
        type: "time",
        axisLine: { lineStyle: { color: theme("line") } },
        axisTick: { show: false },
        axisLabel: { ...text, hideOverlap: true, formatter: hourMinute },
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        min: 0,
        splitNumber: 4,
        axisLabel: { ...text, formatter: (value) => thousands(value) },
        splitLine: { lineStyle: { color: theme("line"), opacity: 0.6 } },
      },
      tooltip: {
        trigger: "axis",
        axisPointer: { type: "line", lineStyle: { color: theme("text"), width: 1, type: "solid" } },
        className: "chart-tooltip",
        confine: true,
        transitionDuration: 0,
        backgroundColor: theme("surface"),
        borderColor: theme("line"),
        textStyle: { color: theme("text"), fontSize: 13 },
        formatter: (points) => this.tooltip(points),
      },
    };
  }
}

/** Outbound outcomes of the last 24 hours, stacked. */
export class FlowChart extends Chart {
  constructor(element, { historyUntil }) {
    super(element, (points) => this.#describe(points[0].axisValue));
    this.historyUntil = historyUntil;
  }

  /** Show one answer of the API. */
  show(answer) {
    this.answer = answer;
    this.rows = rows(answer);
    this.paint();
  }

  paint() {
    if (!this.answer) return;
    const theme = colours();
    const base = this.base(theme);
    base.xAxis.min = this.rows[0].startMs;
    base.xAxis.max = this.rows.at(-1).endMs;
    base.yAxis.minInterval = 1;
    const series = shownOutcomes(this.answer).flatMap((type, i) => this.#series(type, i, theme));
    series[0].markLine = this.#marks(theme);
    this.chart.setOption({ ...base, series }, { notMerge: true });
  }

  #series(type, i, theme) {
    const { whole, partial } = stack(this.rows, type);
    const one = {
      name: type,
      type: "line",
      symbol: "none",
      // Lower parts of the stack over higher ones: where a count is 0 the edge keeps the lower colour.
      z: 10 - i,
      itemStyle: { color: theme(type), decal: HATCH[type] && { ...HATCH[type], color: theme("hatch") } },
      lineStyle: { color: theme(type), width: 1.5 },
      areaStyle: { color: theme(type), opacity: 0.75 },
      emphasis: { disabled: true },
    };
    return [
      { ...one, id: type, stack: "whole", data: whole },
      {
        ...one,
        id: `${type} partial`,
        stack: "partial",
        data: partial,
        lineStyle: { ...one.lineStyle, type: "dashed" },
        areaStyle: { ...one.areaStyle, opacity: 0.25 },
      },
    ];
  }

  #marks(theme) {
    const [first, last] = [this.rows[0].startMs, this.rows.at(-1).endMs];
    if (!this.historyUntil || this.historyUntil < first || this.historyUntil > last) return undefined;
    const onTheRight = this.historyUntil > (first + last) / 2;
    return {
      silent: true,
      symbol: "none",
      lineStyle: { color: theme("received"), type: "solid", width: 2 },
      label: {
        formatter: onTheRight ? "generated until here" : "real mail from here",
        align: onTheRight ? "right" : "left",
        color: theme("text"),
        position: "end",
        rotate: 0,
      },
      data: [{ xAxis: this.historyUntil }],
    };
  }

  #describe(startMs) {
    const row = this.rows.find((each) => each.startMs === startMs);
    if (!row) return "";
    const running = row.partial ? ", still running" : "";
    const lines = Object.entries(row.counts).sort(([, a], [, b]) => b - a);
    const notes = row.inferred ? [`${thousands(row.inferred)} inferred`] : [];
    return tooltipBox(`${hourMinute(row.startMs)}–${hourMinute(row.endMs)}${running}`, [
      ...lines.map(([type, count]) => [type, type, thousands(count)]),
      [null, "total", thousands(row.total)],
    ], notes);
  }
}

/** Emails per second of the last five minutes. */
export class RateChart extends Chart {
  constructor(element) {
    super(element, (points) => this.#describe(points));
  }

  /** Show `lines`: one list of [ms, events] for each of RATES, all of the same seconds. */
  show(lines) {
    this.lines = lines;
    this.paint();
  }

  paint() {
    if (!this.lines) return;
    const theme = colours();
    const base = this.base(theme);
    const endMs = this.lines[0].at(-1)[0];
    base.xAxis.min = endMs - (WINDOW_S - 1) * 1000;
    base.xAxis.max = endMs;
    base.yAxis.minInterval = 1;
    const series = RATES.map(({ field, name, colour, stroke }, i) => ({
      id: field,
      name,
      type: "line",
      symbol: "none",
      z: 10 - i,
      data: this.lines[i],
      itemStyle: { color: theme(colour) },
      lineStyle: { color: theme(colour), width: i === 0 ? 2 : 1.5, type: stroke },
      emphasis: { disabled: true },
    }));
    // Merged, not replaced: an open tooltip stays open while the line moves.
    this.chart.setOption({ ...base, series });
  }

  #describe(points) {
    const ms = points[0].axisValue;
    const at = new Date(ms);
    const known = points.filter((point) => point.value[1] !== null);
    const lines = known.sort((a, b) => b.value[1] - a.value[1]).map((point) => {
      const { colour, name } = RATES.find((each) => each.field === point.seriesId);
      return [colour, name, rate(point.value[1])];
    });
    const second = `${hourMinute(ms)}:${String(at.getSeconds()).padStart(2, "0")}`;
    return tooltipBox(second, lines, known.length ? [] : ["no data"]);
  }
}

/** Return a function that names a colour of the page: theme("delivered"). */
function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

function tooltipBox(title, lines, notes) {
  const box = document.createElement("div");
  box.append(element("strong", title));
  const table = document.createElement("table");
  for (const [meaning, name, value] of lines) {
    const row = table.insertRow();
    const label = element("th", name);
    label.scope = "row";
    if (meaning) label.className = `swatch swatch-${meaning}`;
    else row.className = "total";
    row.append(label, element("td", value));
  }
  box.append(table, ...notes.map((note) => element("div", note)));
  return box;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

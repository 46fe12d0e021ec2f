// Charts over time. Straight lines from zero, the running bucket dashed, gaps where nothing is known;
// one cross-hair over all charts of a page, drag to zoom, double click to go back. The drawing
// library is large and comes after the first paint.

import { placeMarks, marksWithin } from "./changes.js";
import { rate, thousands } from "../shell/formats.js";
import { page } from "../shell/page.js";
import { FITTED } from "../shell/controls/print.js";
import { make, swatch } from "../shell/text.js";
import { CHANGED } from "../shell/controls/theme.js";

const library = import("../../vendor/echarts.js");
/** The hatching of each meaning's area, so that colour is never the only sign. */
const HATCH = {
  deferred: { symbol: "circle", symbolSize: 0.35, dashArrayX: [[5, 5]], dashArrayY: [5, 5] },
  bounced: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 6], rotation: -Math.PI / 4 },
  rejected: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [3, 3], rotation: Math.PI / 4 },
  spam: { symbol: "circle", symbolSize: 0.6, dashArrayX: [[3, 6]], dashArrayY: [3, 6] },
  greylisted: { symbol: "rect", dashArrayX: [[6, 4]], dashArrayY: [2, 6] },
  dropped: { symbol: "rect", dashArrayX: [[4, 4]], dashArrayY: [2, 4] },
};
/** Dragging less than this is a click. */
const DRAG_PX = 8;
const LABEL_PX = 76;
/** The numbers of the scale beside the plot. */
const SCALE_PX = 56;
const MARK_FONT_PX = 11;
/** Marks in one tooltip; the others are counted. */
const MAX_TOOLTIP_MARKS = 5;
/** Lines in one tooltip; the others are counted. */
const MAX_TOOLTIP_LINES = 12;
const all = new Set();

/** The colours of the page by name: theme("delivered"). */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/**
 * A chart over time inside `element`. Options: format(value) → text with unit; axis(value) → text
 * of the scale; stacked; total: whether the tooltip adds up (of what is stacked); alone: no
 * cross-hair and no zoom with the others; onPick({startMs, endMs, series}) when a bucket is clicked.
 */
export class TimeChart {
  #seen = null;

  constructor(element, { format = thousands, axis = format, stacked = false, total = stacked, alone = false, onPick = null } = {}) {
    Object.assign(this, { element, format, axis, stacked, total, alone, onPick });
    element.classList.add("chart");
    this.ready = library.then(({ init }) => {
      this.chart = init(element);
      new ResizeObserver(() => this.#resize()).observe(element);
      document.addEventListener(CHANGED, () => this.#paint());
      document.addEventListener(FITTED, () => {
        this.#resize();
        this.chart.getZr().flush(); // paper waits for no frame
      });
      if (alone) return;
      all.add(this);
      this.#listen();
    });
  }

  /**
   * Show data: {startMs, endMs, widthMs, partialMs, series, marks, levels, top}.
   * series: {id, name, meaning or colour, stroke: solid|dashed|dotted, area, weight: strong|pale,
   * points: [[ms, number or null], …]}: null is drawn as a gap. partialMs: where the running bucket
   * begins. marks: as of changes.js, vertical. levels: [{value, text, meaning, side}], horizontal. top: the
   * lowest upper end of the scale; one that ends at 100 has a line every 25.
   */
  async show(data) {
    this.data = data;
    await this.ready;
    this.#paint();
  }

  #resize() {
    if (this.element.clientWidth && this.element.clientHeight) {
      this.chart.resize();
      if (this.data) this.#paint(); // as many ticks as fit
    }
  }

  #paint() {
    if (!this.data) return;
    const colour = theme();
    const { startMs, endMs, series, top } = this.data;
    const text = { color: colour("quiet"), fontSize: 12 };
    const ticks = page.zone.ticks(startMs, endMs, Math.floor(this.element.clientWidth / LABEL_PX));
    const drawn = series.flatMap((each, i) => this.#series(each, i, colour));
    if (drawn.length) drawn[0].markLine = this.#lines(colour);
    this.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: getComputedStyle(this.element).fontFamily },
        grid: { left: 4, right: 12, top: 14, bottom: 4, containLabel: true },
        xAxis: {
          type: "time",
          min: startMs,
          max: endMs,
          axisLine: { lineStyle: { color: colour("line") } },
          axisTick: { show: true, customValues: ticks, lineStyle: { color: colour("line") } },
          axisLabel: { ...text, customValues: ticks, hideOverlap: true, showMinLabel: null, formatter: (ms) => page.zone.tickLabel(ms) },
          splitLine: { show: false },
        },
        yAxis: {
          type: "value",
          min: 0,
          max: ({ max }) => (top !== undefined && max < top ? top : null),
          minInterval: this.format === thousands || this.format === rate ? 1 : undefined,
          splitNumber: 4,
          interval: top === 100 ? 25 : undefined,
          axisLabel: { ...text, formatter: (value) => this.axis(value) },
          splitLine: { lineStyle: { color: colour("line"), opacity: 0.6 } },
        },
        tooltip: {
          trigger: "axis",
          axisPointer: { type: "line", lineStyle: { color: colour("text"), width: 1, type: "solid" } },
          className: "chart-tooltip",
          confine: true,
          transitionDuration: 0,
          backgroundColor: colour("surface"),
          borderColor: colour("line"),
          textStyle: { color: colour("text"), fontSize: 13 },
          formatter: (points) => this.#describe(points[0].axisValue),
        },
        series: drawn,
      },
      // Replaced, so that nothing of older answers stays; a live chart is merged: an open tooltip
      // stays open while the line moves.
      { notMerge: !this.alone },
    );
  }

  #series(series, i, theme) {
    const { id, name, meaning, colour = meaning, stroke = "solid", area = this.stacked, weight } = series;
    const partialMs = this.data.partialMs ?? Infinity;
    const paint = theme(colour);
    const hatch = area && HATCH[meaning];
    const one = {
      name,
      type: "line",
      symbol: "none",
      // Lower parts of the stack over higher ones: where a count is 0 the edge keeps the lower colour.
      z: weight === "strong" ? 30 : weight === "pale" ? 2 : 20 - Math.min(i, 10),
      itemStyle: { color: paint, decal: hatch ? { ...hatch, color: theme("hatch") } : undefined },
      lineStyle: { color: paint, type: stroke, width: weight === "strong" ? 2.5 : 1.5, opacity: weight === "pale" ? 0.45 : 1 },
      areaStyle: area ? { color: paint, opacity: 0.75 } : undefined,
      emphasis: { disabled: true },
    };
    const ended = series.points.filter(([ms]) => ms < partialMs);
    const running = series.points.filter(([ms]) => ms >= partialMs);
    // A single point would be no line: it begins at the last bucket that ended.
    const partial = running.length ? [...ended.slice(-1), ...running] : [];
    return [
      { ...one, id, stack: this.stacked ? "ended" : undefined, data: ended },
      {
        ...one,
        id: `${id} partial`,
        stack: this.stacked ? "partial" : undefined,
        data: partial,
        lineStyle: { ...one.lineStyle, type: "dashed" },
        areaStyle: area ? { ...one.areaStyle, opacity: 0.25 } : undefined,
      },
    ];
  }

  #lines(theme) {
    const { startMs, endMs, marks = [], levels = [] } = this.data;
    const width = Math.max(1, this.element.clientWidth - SCALE_PX);
    this.ruler ??= document.createElement("canvas").getContext("2d");
    this.ruler.font = `${MARK_FONT_PX}px ${getComputedStyle(this.element).fontFamily}`;
    const shown = placeMarks(marksWithin(marks, startMs, endMs), {
      width,
      xOf: (ms) => ((ms - startMs) / (endMs - startMs)) * width,
      widthOf: (text) => this.ruler.measureText(text).width,
    });
    const vertical = shown.map(({ ms, label, side, meaning, stroke }) => ({
      xAxis: ms,
      lineStyle: { color: theme(meaning), type: stroke, width: 1.5 },
      label: { show: Boolean(label), formatter: () => label, align: side === "left" ? "right" : "left", color: theme("text"), fontSize: MARK_FONT_PX, position: "end", distance: 2, rotate: 0 },
    }));
    const horizontal = levels.map(({ value, text, meaning, side }) => ({
      yAxis: value,
      lineStyle: { color: theme(meaning), type: "dashed", width: 1.5 },
      label: { formatter: text, position: side === "right" ? "insideEndTop" : "insideStartTop", color: theme("text") },
    }));
    return vertical.length || horizontal.length ? { silent: true, symbol: "none", data: [...vertical, ...horizontal] } : undefined;
  }

  #describe(ms) {
    const { series, widthMs, partialMs } = this.data;
    const nowMs = page.nowMs();
    const title = widthMs ? page.zone.span(ms, ms + widthMs, nowMs) : page.zone.hourMinuteSecond(ms);
    const values = this.#at(ms).sort((a, b) => b.value - a.value);
    const running = partialMs && ms >= partialMs ? ", still running" : "";
    const rows = values.slice(0, MAX_TOOLTIP_LINES).map(({ series: { name, meaning, colour }, value }) =>
      make("tr", {}, swatch("th", { name, meaning, colour }, { scope: "row" }), make("td", {}, this.format(value))));
    if (this.total && values.length > 1) {
      const sum = values.reduce((total, { value }) => total + value, 0);
      rows.push(make("tr", { class: "total" }, make("th", { scope: "row" }, "total"), make("td", {}, this.format(sum))));
    }
    const happened = widthMs ? marksWithin(this.data.marks ?? [], ms, ms + widthMs) : [];
    const unknown = series.length - values.length;
    const notes = [
      values.length > MAX_TOOLTIP_LINES ? `${values.length - MAX_TOOLTIP_LINES} more` : "",
      unknown && unknown === series.length ? "no data" : "",
      ...happened.slice(0, MAX_TOOLTIP_MARKS).map((mark) => `${page.zone.hourMinute(mark.ms)} ${mark.text}`),
      happened.length > MAX_TOOLTIP_MARKS ? `${happened.length - MAX_TOOLTIP_MARKS} more happened` : "",
      this.data.note?.(ms) ?? "",
      this.onPick && values.length ? "click: the events behind it" : "",
    ];
    return make("div", {}, make("strong", {}, title + running), make("table", {}, make("tbody", {}, ...rows)),
      ...notes.filter(Boolean).map((note) => make("div", { class: "quiet" }, note)));
  }

  /** The known values at a moment, one a series. */
  #at(ms) {
    return this.data.series.flatMap((series) => {
      const value = series.points.find(([at]) => at === ms)?.[1] ?? null;
      return value === null ? [] : [{ series, value }];
    });
  }

  #listen() {
    const zr = this.chart.getZr();
    this.hair = make("div", { class: "cross-hair", "aria-hidden": "true", hidden: true });
    this.choice = make("div", { class: "zoom-choice", "aria-hidden": "true", hidden: true });
    this.element.append(this.hair, this.choice);
    zr.on("globalout", () => this.#point(-1, -1));
    zr.on("dblclick", () => page.zoomOut());
    let fromX = null;
    zr.on("mousedown", (event) => {
      if (event.event.button !== 0 || !this.#inside(event.offsetX, event.offsetY)) return;
      fromX = event.offsetX;
      // Wherever the button is let go.
      addEventListener("mouseup", (up) => {
        const toX = up.clientX - this.element.getBoundingClientRect().left;
        this.choice.hidden = true;
        if (Math.abs(toX - fromX) >= DRAG_PX) this.#zoom(fromX, toX);
        else this.#pick(event.offsetX, event.offsetY);
        fromX = null;
      }, { once: true });
    });
    zr.on("mousemove", ({ offsetX, offsetY }) => {
      this.#point(offsetX, offsetY);
      if (fromX === null || Math.abs(offsetX - fromX) < DRAG_PX) return;
      this.choice.hidden = false;
      this.choice.style.left = `${Math.min(fromX, offsetX)}px`;
      this.choice.style.width = `${Math.abs(offsetX - fromX)}px`;
    });
  }

  #inside(x, y) {
    return Boolean(this.data) && this.chart.containPixel("grid", [x, y]);
  }

  #ms(x) {
    return this.chart.convertFromPixel({ xAxisIndex: 0 }, x);
  }

  /** The pointer is here: the other charts of the page show the same moment. */
  #point(x, y) {
    const ms = this.#inside(x, y) ? this.#ms(x) : null;
    if (ms === this.#seen) return;
    this.#seen = ms;
    for (const other of all) if (other !== this) other.#follow(ms);
  }

  #follow(ms) {
    const shown = ms !== null && this.data && ms >= this.data.startMs && ms <= this.data.endMs;
    this.hair.hidden = !shown;
    if (shown) this.hair.style.left = `${this.chart.convertToPixel({ xAxisIndex: 0 }, ms)}px`;
  }

  #zoom(fromX, toX) {
    const { startMs, endMs, widthMs = 0 } = this.data;
    const [first, last] = [fromX, toX].sort((a, b) => a - b).map((x) => this.#ms(x));
    // Points stand at the start of their bucket.
    const from = Math.max(startMs, first);
    const to = Math.min(endMs, Math.max(last, from + Math.max(widthMs, 60_000)), page.nowMs());
    if (from < to) page.zoomIn(from, to);
  }

  #pick(x, y) {
    if (!this.onPick || !this.#inside(x, y)) return;
    const value = this.#ms(x);
    const { widthMs } = this.data;
    const moments = this.data.series[0]?.points.map(([ms]) => ms) ?? [];
    const ms = moments.reduce((best, at) => (Math.abs(at - value) < Math.abs(best - value) ? at : best), moments[0]);
    const values = this.#at(ms);
    if (!values.length) return;
    this.onPick({ startMs: ms, endMs: ms + widthMs, series: this.#under(values, y).series });
  }

  /** The series under the pointer: the band of a stack, else the line nearest to it. */
  #under(values, y) {
    const height = this.chart.convertFromPixel({ yAxisIndex: 0 }, y);
    if (!this.stacked) return values.reduce((best, each) => (Math.abs(each.value - height) < Math.abs(best.value - height) ? each : best));
    let sum = 0;
    for (const each of values) {
      sum += each.value;
      if (each.value > 0 && height <= sum) return each;
    }
    return values.findLast(({ value }) => value > 0) ?? values[0];
  }
}

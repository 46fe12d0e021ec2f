// The page /email/performance/.

import "../../shell/shell.js";
import { bars } from "../../charts/bars.js";
import { bucketTable, chartPanel } from "../../charts/chart_panel.js";
import { bounds, widthWords } from "../../charts/flow.js";
import { byteSize, milliseconds, percent, thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { panel } from "../../charts/panel.js";
import { width } from "../../charts/stacked_panel.js";
import { table } from "../../charts/table.js";

/** Bars from the first on are slow, from the second on very slow; as the gauges of page.py. */
const THRESHOLDS_MS = [3_000, 10_000];
const LEVELS = ["ok", "warning", "critical"];
const NAMES = { average: "average", p95: "P95", p99: "P99" };
const COLOURS = { average: "series-1", p95: "series-4", p99: "series-3" };
const STROKES = { average: "solid", p95: "dashed", p99: "dotted" };

const times = () => page.get("email/performance", { width: width(), limit: 100 });
const sizes = () => page.get("email/sizes", { width: width() });
const nothing = ({ delivery_ms: { count } }) => (count ? "" : "No deliveries in this range.");

/** "1 – 3 s", "over 300 s", with units of their own. */
function bracketName({ from, to }, format) {
  if (to === null) return `over ${format(from)}`;
  return from === 0 ? `under ${format(to)}` : `${format(from)} – ${format(to)}`;
}

const seconds = (ms) => (ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} min`);
const round = (bytes) => byteSize(bytes).replace(".0", "");

function level(bracket) {
  return LEVELS[THRESHOLDS_MS.filter((threshold) => bracket.from >= threshold).length];
}

function histogramPanel(id, { load, empty, format, meaning, what }) {
  panel(id, {
    load,
    empty,
    draw({ histogram }, body) {
      const all = histogram.reduce((sum, { count }) => sum + count, 0);
      bars(body, histogram.map((bracket) => ({
        name: bracketName(bracket, format),
        value: bracket.count,
        text: thousands(bracket.count),
        note: percent(bracket.count, all),
        meaning: meaning(bracket),
      })));
    },
    table: ({ histogram }) => ({
      columns: [{ name: what }, { name: "count", numeric: true }],
      rows: histogram.map((bracket) => [{ text: bracketName(bracket, format), value: bracket.from }, bracket.count]),
    }),
  });
}

function trendPanel() {
  const kinds = Object.keys(NAMES);
  chartPanel("trend", {
    load: times,
    chart: { format: milliseconds, axis: (ms) => (ms < 60_000 ? `${Math.round(ms / 100) / 10} s` : milliseconds(ms)) },
    empty: nothing,
    show(answer) {
      this.note(widthWords(answer.width_s, "of the deliveries"));
      this.legend(kinds.map((kind) => ({ name: NAMES[kind], colour: COLOURS[kind], stroke: STROKES[kind], value: milliseconds(answer.delivery_ms[kind]) })), "gap: no deliveries");
      const worst = Math.max(0, ...answer.trend.map(({ p99 }) => p99 ?? 0));
      return {
        ...bounds(answer, answer.trend),
        series: kinds.map((kind) => ({
          id: kind, name: NAMES[kind], colour: COLOURS[kind], stroke: STROKES[kind],
          points: answer.trend.map((bucket) => [Date.parse(bucket.start), bucket[kind]]),
        })),
        levels: [
          { value: 3_000, text: "3 s", meaning: "deferred" },
          ...(worst > 6_000 ? [{ value: 10_000, text: "10 s", meaning: "bounced" }] : []),
        ],
        top: 3_500,
      };
    },
    table: (answer) => bucketTable(answer.trend, [
      ...kinds.map((kind) => ({ name: NAMES[kind], cell: (bucket) => ({ text: milliseconds(bucket[kind]), value: bucket[kind] }) })),
      { name: "deliveries", cell: ({ count }) => count },
    ], answer.width_s),
    file: "delivery-time",
  });
}

function destinationsPanel() {
  const columns = [{ name: "destination" }, ...["deliveries", "average", "P95", "P99"].map((name) => ({ name, numeric: true }))];
  const rows = ({ destinations }) => destinations.filter(({ count }) => count).map(({ value, count, ...ms }) => [
    { text: value || "–", value, href: page.href("/events/", { direction: "outbound", type: "delivered", to_domain: value }) },
    count,
    ...["average", "p95", "p99"].map((kind) => ({ text: milliseconds(ms[kind]), value: ms[kind] })),
  ]);
  /** The sort lives in the URL: "p95" is descending, "-destination" ascending. */
  const sort = () => {
    const order = page.param("sort", "deliveries");
    const name = order.replace(/^-/, "");
    const column = columns.findIndex((each) => each.name.toLowerCase() === name);
    return { column: Math.max(0, column), descending: !order.startsWith("-") };
  };
  panel("destinations", {
    load: times,
    empty: nothing,
    draw(answer, body) {
      const onSort = ({ column, descending }) => page.set({ sort: `${descending ? "" : "-"}${columns[column].name.toLowerCase()}` }, { replace: true });
      body.replaceChildren(table({ columns, rows: rows(answer) }, { sort: sort(), onSort }));
    },
    table: (answer) => ({ columns, rows: rows(answer) }),
    file: "delivery-time-by-destination",
  });
}

function sizeTrendPanel() {
  chartPanel("size-trend", {
    load: sizes,
    chart: { format: byteSize, axis: round },
    empty: ({ count }) => (count ? "" : "No message whose size is known in this range."),
    show(answer) {
      this.note(`of delivered messages, ${widthWords(answer.width_s, "mean").replace("mean ", "")}`);
      this.legend([{ name: "average", colour: "series-1", stroke: "solid", value: byteSize(answer.average) }], "gap: nothing known");
      return {
        ...bounds(answer, answer.trend),
        series: [{ id: "average", name: "average", colour: "series-1", points: answer.trend.map((bucket) => [Date.parse(bucket.start), bucket.average]) }],
      };
    },
    table: (answer) => bucketTable(answer.trend, [
      { name: "average", cell: ({ average }) => ({ text: byteSize(average), value: average }) },
      { name: "messages", cell: ({ count }) => count },
    ], answer.width_s),
    file: "message-size",
  });
}

trendPanel();
histogramPanel("histogram", { load: times, empty: nothing, format: seconds, meaning: level, what: "delivery time" });
destinationsPanel();
histogramPanel("sizes", {
  load: sizes,
  empty: ({ count }) => (count ? "" : "No message whose size is known in this range."),
  format: round,
  meaning: () => "plain",
  what: "size",
});
sizeTrendPanel();

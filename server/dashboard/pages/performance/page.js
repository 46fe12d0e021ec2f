// The page /email/performance/.

import "../../shell/shell.js";
import { barsPanel } from "../../charts/bars.js";
import { bucketTable, chartPanel } from "../../charts/chart_panel.js";
import { bounds, widthWords } from "../../charts/flow.js";
import { byteSize, milliseconds, percent, thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { profileHref } from "../../shell/lists/links.js";
import { panel } from "../../charts/panel.js";
import { width } from "../../charts/stacked_panel.js";
import { pointsOf } from "../../charts/readings.js";
import { columnsOf, table } from "../../charts/table.js";
import { shownDomain } from "../../shell/domains.js";

/** Bars from the first on are slow, from the second on very slow; as the gauges of page.py. */
const THRESHOLDS_MS = [3_000, 10_000];
const LEVELS = ["ok", "warning", "critical"];
const LINES = [
  { id: "average", name: "average", colour: "series-1", stroke: "solid" },
  { id: "p95", name: "P95", colour: "series-4", stroke: "dashed" },
  { id: "p99", name: "P99", colour: "series-3", stroke: "dotted" },
];

/** What the table is by: one provider's servers answer for thousands of its customers' domains. */
const GROUPS = { destination: "by domain", provider: "by provider" };
const group = () => (page.param("by", "destination") === "provider" ? "provider" : "destination");
const times = () => page.get("email/performance", { width: width(), limit: 100, by: group() });
const sizes = () => page.get("email/sizes", { width: width() });
const nothing = ({ delivery_ms: { count } }) => (count ? "" : "No deliveries in this range.");
const noSizes = ({ count }) => (count ? "" : "No message whose size is known in this range.");

/** "1 – 3 s", "over 300 s", with units of their own. */
function bracketName({ from, to }, format) {
  if (to === null) return `over ${format(from)}`;
  return from === 0 ? `under ${format(to)}` : `${format(from)} – ${format(to)}`;
}

const seconds = (ms) => (ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} min`);
const round = (bytes) => byteSize(bytes).replace(".0", "");

const level = ({ from }) => LEVELS[THRESHOLDS_MS.filter((threshold) => from >= threshold).length];

function histogramPanel(id, { load, empty, format, meaning, what }) {
  barsPanel(id, {
    load,
    empty,
    items({ histogram }) {
      const all = histogram.reduce((sum, { count }) => sum + count, 0);
      return histogram.map((bracket) => ({
        name: bracketName(bracket, format), value: bracket.count, note: percent(bracket.count, all), meaning: meaning(bracket),
      }));
    },
    table: ({ histogram }) => ({
      columns: columnsOf(what, "count"),
      rows: histogram.map((bracket) => [{ text: bracketName(bracket, format), value: bracket.from }, bracket.count]),
    }),
  });
}

function trendPanel() {
  chartPanel("trend", {
    load: times,
    chart: { format: milliseconds, axis: (ms) => (ms < 60_000 ? `${Math.round(ms / 100) / 10} s` : milliseconds(ms)) },
    empty: nothing,
    show(answer) {
      this.note(widthWords(answer.width_s, "of the deliveries"));
      this.legend(LINES.map((line) => ({ ...line, value: milliseconds(answer.delivery_ms[line.id]) })), "gap: no deliveries");
      const worst = Math.max(0, ...answer.trend.map(({ p99 }) => p99 ?? 0));
      return {
        ...bounds(answer, answer.trend),
        series: LINES.map((line) => ({ ...line, points: pointsOf(answer.trend, line.id) })),
        levels: [
          { value: 3_000, text: "3 s", meaning: "deferred" },
          ...(worst > 6_000 ? [{ value: 10_000, text: "10 s", meaning: "bounced" }] : []),
        ],
        top: 3_500,
      };
    },
    table: (answer) => bucketTable(answer.trend, [
      ...LINES.map(({ id, name }) => ({ name, cell: (bucket) => ({ text: milliseconds(bucket[id]), value: bucket[id] }) })),
      { name: "deliveries", cell: ({ count }) => count },
    ], answer.width_s),
    file: "delivery-time",
  });
}

/** Two buttons, the pressed one says what the table is by; the choice lives in the URL. */
function groupSwitch() {
  const buttons = Object.entries(GROUPS).map(([name, text]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: text });
    button.setAttribute("aria-pressed", String(name === group()));
    button.addEventListener("click", () => page.set({ by: name === "destination" ? null : name }));
    return button;
  });
  const line = document.createElement("p");
  line.append(...buttons);
  return line;
}

function destinationsPanel() {
  const columns = columnsOf("destination", "deliveries", ...LINES.map(({ name }) => name));
  const column = () => (group() === "provider" ? "provider" : "to_domain");
  const rows = ({ destinations }) => destinations.filter(({ count }) => count).map(({ value, count, ...ms }) => [
    { text: shownDomain(value) || "–", value, href: profileHref(group(), value) },
    { text: thousands(count), value: count, href: page.href("/events/", { direction: "outbound", type: "delivered", [column()]: value }) },
    ...LINES.map(({ id }) => ({ text: milliseconds(ms[id]), value: ms[id] })),
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
      body.replaceChildren(groupSwitch(), table({ columns, rows: rows(answer) }, { sort: sort(), onSort }));
    },
    table: (answer) => ({ columns, rows: rows(answer) }),
    file: "delivery-time-by-destination",
  });
}

function sizeTrendPanel() {
  chartPanel("size-trend", {
    load: sizes,
    chart: { format: byteSize, axis: round },
    empty: noSizes,
    show(answer) {
      this.note(widthWords(answer.width_s, "of delivered messages,"));
      this.legend([{ name: "average", colour: "series-1", stroke: "solid", value: byteSize(answer.average) }], "gap: nothing known");
      return {
        ...bounds(answer, answer.trend),
        series: [{ id: "average", name: "average", colour: "series-1", points: pointsOf(answer.trend, "average") }],
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
histogramPanel("sizes", { load: sizes, empty: noSizes, format: round, meaning: () => "plain", what: "size" });
sizeTrendPanel();

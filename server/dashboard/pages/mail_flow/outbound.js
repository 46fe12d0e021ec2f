// The page /email/outbound/.

import "../../shell/shell.js";
import { chartPanel } from "../../charts/chart_panel.js";
import { live } from "../../shell/live/connection.js";
import { bindCounters } from "./counters.js";
import { bounds, oddOnesNowAndBefore, outboundTable, partialMs, points, totalOf, widthWords } from "../../charts/flow.js";
import { thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { ratePanel } from "./rate_panel.js";
import { showEvents, stackedPanel, width } from "../../charts/stacked_panel.js";
import { make, part, setText } from "../../shell/text.js";

/** Nodes of the chart; in buckets of an hour of two weeks more would be too large an answer. */
const MAX_NODES = 50;
/** From this many lines on they are looked for by name; each one found has a colour of its own. */
const SEARCHED_FROM = 8;
const MAX_COLOURED = 8;

/** The field to look for lines by name, which the URL remembers; beside the legend. */
function setUpNodeSearch(panel) {
  const field = make("input", { type: "search", class: "field legend-search", placeholder: "find a node", "aria-label": "Find a node by its name", autocomplete: "off", spellcheck: "false" });
  field.value = page.param("find");
  field.addEventListener("input", () => page.set({ find: field.value.trim() || null }, { replace: true }));
  page.addEventListener("moved", () => {
    if (document.activeElement !== field) field.value = page.param("find");
  });
  panel.part("legend").before(field);
  return field;
}

/** The look of each line: found ones have colours, odd ones are strong, all others pale. */
function looksOf(names, odd) {
  const wanted = page.param("find").toLowerCase();
  const matches = wanted ? names.filter((name) => name.toLowerCase().includes(wanted)).slice(0, MAX_COLOURED) : [];
  return new Map(names.map((name) => {
    const at = matches.indexOf(name);
    if (at >= 0) return [name, { colour: `series-${at + 1}`, weight: "strong" }];
    if (odd.has(name) && !wanted) return [name, { colour: "deferred", weight: "strong" }];
    return [name, { colour: "quiet", weight: names.length > 1 ? "pale" : undefined }];
  }));
}

function byNodePanel() {
  let search = null;
  chartPanel("by-node", {
    load: () => page.get("email/throughput", { direction: "outbound", by: "node", limit: MAX_NODES, width: width() }),
    chart: { onPick: ({ startMs, endMs, series }) => showEvents(startMs, endMs, { direction: "outbound", mta_node: series.id }) },
    empty: (answer) => (answer.series.length ? "" : "No mail in this range."),
    show(answer) {
      const lines = answer.series.map(({ value, buckets }) => ({ id: value, name: value, stroke: "solid", points: points(buckets, "delivered") }));
      const odd = new Set(oddOnesNowAndBefore(lines, partialMs(answer.buckets)));
      const looks = looksOf(lines.map(({ id }) => id), odd);
      if (lines.length > SEARCHED_FROM) search ??= setUpNodeSearch(this);
      const cut = lines.length === MAX_NODES ? `, the ${MAX_NODES} largest nodes` : "";
      this.note(widthWords(answer.width_s, "deliveries") + cut);
      this.legend(
        answer.series.map(({ value, buckets }) => ({
          name: value,
          colour: looks.get(value).colour,
          stroke: "solid",
          value: thousands(totalOf(buckets, "delivered")),
          title: odd.has(value) ? "Far from what the other nodes deliver" : null,
        })),
        page.param("find") ? "coloured: found" : odd.size ? "strong: far from the others" : "",
      );
      return { ...bounds(answer), series: lines.map((line) => ({ ...line, ...looks.get(line.id) })) };
    },
    table: (answer) => outboundTable("node", answer.series.map(({ value, buckets }) => [
      { text: value, href: page.href(`/nodes/named/${encodeURIComponent(value)}/`) },
      (type) => totalOf(buckets, type),
    ])),
    file: "outbound-by-node",
  });
}

bindCounters();
const inferred = part("inferred");
live.onFrame(({ hour }) => {
  inferred.hidden = hour.inferred === 0;
  const [noun, verb] = hour.inferred === 1 ? ["outcome", "is"] : ["outcomes", "are"];
  setText(inferred, `${thousands(hour.inferred)} of these ${noun} ${verb} inferred by the change stream.`);
});
stackedPanel("outcomes", { direction: "outbound", load: () => page.get("email/throughput", { direction: "outbound", width: width() }), file: "outbound" });
ratePanel("rate", "outbound", ["delivered", "sent"]);
byNodePanel();

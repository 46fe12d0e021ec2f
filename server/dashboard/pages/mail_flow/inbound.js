// The page /email/inbound/.

import "../../shell/shell.js";
import { barsPanel } from "../../charts/bars.js";
import { bindCounters } from "./counters.js";
import { percent, ratio, thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { ratePanel } from "./rate_panel.js";
import { stackedPanel, width } from "../../charts/stacked_panel.js";
import { columnsOf } from "../../charts/table.js";

const load = () => page.get("email/inbound", { width: width() });
const REFUSED = ["rejected", "greylisted", "deferred"];
/** The event types behind what the chart shows: spam is delivered mail that was marked. */
const type = (outcome) => (outcome === "spam" ? "delivered" : outcome);

const plugin = (name) => name || "unknown";

function pluginsPanel() {
  barsPanel("plugins", {
    load,
    empty: (answer) => (answer.plugins.length ? "" : "Nothing was refused in this range."),
    items(answer) {
      const all = answer.plugins.reduce((sum, { count }) => sum + count, 0);
      return answer.plugins.map(({ value, count, events }) => ({
        name: plugin(value),
        value: count,
        note: percent(count, all),
        meaning: REFUSED.reduce((top, kind) => ((events[kind] ?? 0) > (events[top] ?? 0) ? kind : top)),
        title: REFUSED.filter((kind) => events[kind]).map((kind) => `${thousands(events[kind])} ${kind}`).join(", "),
        href: value && page.href("/events/", { direction: "inbound", bounce_category: value }),
      }));
    },
    table: (answer) => ({
      columns: columnsOf("plugin", ...REFUSED, "total"),
      rows: answer.plugins.map(({ value, count, events }) => [plugin(value), ...REFUSED.map((kind) => events[kind] ?? 0), count]),
    }),
  });
}

function symbolsPanel() {
  barsPanel("symbols", {
    max: 1,
    load,
    empty: (answer) => (answer.symbols.length ? "" : answer.symbols_of ? "No symbol distinguishes refused mail from the rest." : "No refused mail with symbols in this range."),
    items(answer) {
      this.note(answer.symbols_of ? `of the newest ${thousands(answer.symbols_of)} refused with symbols; rarer in accepted mail` : "");
      return answer.symbols.map(({ value, count, refused_ratio: refused, let_in_ratio: letIn }) => ({
        name: value,
        value: refused,
        text: ratio(refused),
        note: `accepted: ${ratio(letIn)}`,
        meaning: "rejected",
        title: `${thousands(count)} refused messages`,
      }));
    },
    table: (answer) => ({
      columns: columnsOf("symbol", "refused messages", "of refused", "of accepted"),
      rows: answer.symbols.map(({ value, count, refused_ratio: refused, let_in_ratio: letIn }) => [
        value, count, { text: ratio(refused), value: refused }, { text: ratio(letIn), value: letIn },
      ]),
    }),
  });
}

bindCounters();
stackedPanel("outcomes", { direction: "inbound", load, type, file: "inbound" });
ratePanel("rate", "inbound", ["received", "rejected", "greylisted"]);
pluginsPanel();
symbolsPanel();

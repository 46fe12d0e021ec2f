// The page /: problems, and the state of everything at a glance.

import "../../shell/shell.js";
import { barsPanel } from "../../charts/bars.js";
import { bucketTable, chartPanel } from "../../charts/chart_panel.js";
import { live } from "../../shell/live/connection.js";
import { bounds, outboundTable, widthWords } from "../../charts/flow.js";
import { duration, ratio, thousands } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { profileHref } from "../../shell/lists/links.js";
import { panel } from "../../charts/panel.js";
import { stackedPanel, width } from "../../charts/stacked_panel.js";
import { table } from "../../charts/table.js";
import { make, replyElement, setData, setText } from "../../shell/text.js";
import { shownDomain } from "../../shell/domains.js";

/** From this share of attempts on, bounces harm a sender's name. */
const MAX_BOUNCE_RATIO = 0.05;
const SENDERS = 10;

function showTiles({ tiles }) {
  for (const [name, { text, note, level }] of Object.entries(tiles)) {
    const element = document.querySelector(`[data-tile="${name}"]`);
    setText(element.querySelector("[data-text]"), text);
    setText(element.querySelector("[data-note]"), note);
    setData(element, "level", level);
  }
}

live.onFrame(showTiles);

const throughput = () => page.get("email/throughput", { direction: "outbound", width: width() });
/** Facts of panels that no live frame carries; one request for both. */
const loadFacts = () => page.getJson("/overview/facts");

function bounceRatePanel() {
  const share = ({ events }) => {
    const decided = (events.delivered ?? 0) + (events.deferred ?? 0) + (events.bounced ?? 0);
    return decided ? (events.bounced ?? 0) / decided : null;
  };
  chartPanel("bounce-rate", {
    load: throughput,
    chart: { format: ratio, axis: (value) => `${Math.round(value * 1000) / 10} %` },
    empty: (answer) => (answer.buckets.some((bucket) => share(bucket) !== null) ? "" : "No mail in this range."),
    show(answer) {
      this.note(widthWords(answer.width_s, "of the attempts"));
      return {
        ...bounds(answer),
        series: [{ id: "bounced", name: "bounced", meaning: "bounced", points: answer.buckets.map((bucket) => [Date.parse(bucket.start), share(bucket)]) }],
        levels: [{ value: MAX_BOUNCE_RATIO, text: "5 %", meaning: "bounced" }],
        top: 0.06,
      };
    },
    table: (answer) => bucketTable(answer.buckets, [
      { name: "bounce rate", cell: (bucket) => ({ text: ratio(share(bucket)), value: share(bucket) }) },
      { name: "bounced", cell: ({ events }) => events.bounced ?? 0 },
    ], answer.width_s),
  });
}

function troublePanel() {
  const columns = [
    { name: "destination" }, { name: "failing since" }, { name: "failed", numeric: true }, { name: "attempts", numeric: true },
    { name: "deferred", numeric: true }, { name: "bounced", numeric: true }, { name: "last reply of its server" },
  ];
  /** A number of events of the last hour, which leads to them. */
  const behind = ({ domain }, count, type = null) => ({
    text: thousands(count), value: count, href: count ? page.href("/events/", { direction: "outbound", type, to_domain: domain, range: "1h" }) : null,
  });
  const rows = ({ destinations }) => destinations.map((each) => [
    { text: shownDomain(each.domain) || "–", value: each.domain, href: profileHref("destination", each.domain) },
    each.since ? { node: make("span", { class: "state-badge", "data-level": "warning" }, page.zone.moment(Date.parse(each.since), page.nowMs())), text: each.since, value: each.since } : { text: "mostly delivered", value: "" },
    { text: each.failed_percent, value: (each.deferred + each.bounced) / each.attempts },
    behind(each, each.attempts),
    behind(each, each.deferred, "deferred"),
    behind(each, each.bounced, "bounced"),
    { node: replyElement(each.words), text: each.words },
  ]);
  panel("trouble", {
    load: loadFacts,
    empty({ destinations }) {
      if (destinations.length) return "";
      const { delivered, bounced, deferred } = live.totals.hour.outbound;
      return delivered + bounced + deferred ? "No destination refused mail." : "No mail was tried in the last 60 minutes.";
    },
    draw: (found, body) => body.replaceChildren(...(found.destinations.length ? [table({ columns, rows: rows(found) })] : [])),
    table: (found) => ({ columns, rows: rows(found) }),
    file: "trouble",
  });
}

function nodeGridPanel() {
  const state = ({ state: text, silent_since: since }) => (since ? `silent for ${duration((page.nowMs() - Date.parse(since)) / 1000)}` : text);
  const order = { critical: 0, none: 1, ok: 2 };
  panel("node-grid", {
    load: loadFacts,
    empty: ({ nodes }) => (nodes.length ? "" : "No node has reported yet."),
    draw({ nodes }, body) {
      const sorted = [...nodes].sort((a, b) => order[a.level] - order[b.level] || a.name.localeCompare(b.name));
      body.replaceChildren(make("ul", { class: "node-grid" }, ...sorted.map((node) => {
        const href = page.href(`/nodes/named/${encodeURIComponent(node.name)}/`);
        return make("li", {}, make("a", { class: "node-tile", "data-level": node.level, href }, make("b", {}, node.name), make("span", { class: "quiet" }, state(node))));
      })));
    },
    table: ({ nodes }) => ({
      columns: [{ name: "node" }, { name: "role" }, { name: "state" }, { name: "address" }],
      rows: nodes.map((node) => [node.name, node.role, state(node), node.addresses.map(String).join(" ")]),
    }),
    file: "nodes",
  });
}

function sendersPanel() {
  barsPanel("senders", {
    load: () => page.get("email/stats", { direction: "outbound", by: "domain", sort: "sent", limit: SENDERS, width: width() }),
    empty: ({ values }) => (values.some(({ events }) => events.sent) ? "" : "No mail in this range."),
    items(answer) {
      this.note(answer.values_count > SENDERS ? `${SENDERS} of ${thousands(answer.values_count)}, sent; bounced` : "sent; bounced");
      return answer.values.filter(({ events }) => events.sent).map(({ value, events, ratios }) => ({
        name: shownDomain(value) || "no domain",
        value: events.sent,
        note: ratios.bounced === undefined ? "" : `${ratio(ratios.bounced)} bounced`,
        href: profileHref("domain", value),
      }));
    },
    table: ({ values }) => outboundTable("domain", values.map(({ value, events }) => [value || "no domain", (type) => events[type] ?? 0])),
    file: "senders",
  });
}

stackedPanel("throughput", { direction: "outbound", load: throughput, file: "outbound" });
bounceRatePanel();
troublePanel();
nodeGridPanel();
sendersPanel();

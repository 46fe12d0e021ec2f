// Emails per second of the last five minutes, drawn every second from the live frames.

import { TimeChart } from "../../charts/chart.js";
import { live } from "../../shell/live/connection.js";
import { rate } from "../../shell/formats.js";
import { page } from "../../shell/page.js";
import { Panel } from "../../charts/panel.js";
import { Seconds, WINDOW_S } from "./rates.js";
import { columnsOf } from "../../charts/table.js";
import { setText } from "../../shell/text.js";

const EVERY_MS = 1_000;
const STROKES = ["solid", "dashed", "dotted"];

/** Fill the panel `id` with the rates of these types of events. */
export function ratePanel(id, direction, types) {
  const lines = types.map((type, i) => ({ field: `${direction}:${type}`, name: type, colour: type, stroke: STROKES[i] }));
  const seconds = new Seconds();
  const panel = new Panel(document.getElementById(id), { draw, table: secondsTable, file: "emails-per-second" });
  const chart = new TimeChart(panel.body, { format: rate, axis: (value) => String(value), alone: true });
  panel.root.querySelector(".panel-area").classList.replace("range-data", "live-data");
  panel.root.querySelector(".range-note").classList.remove("range-note"); // of this moment, whatever the range
  panel.legend(lines.map(({ name, colour, stroke }) => ({ name, colour, stroke, value: "–" })));
  const figures = [...panel.part("legend").querySelectorAll("b")];
  lines.forEach(({ field }, i) => (figures[i].dataset.rate = field));
  live.onFrame((frame) => {
    seconds.take(frame);
    if (!("loaded" in panel.root.dataset)) beat(); // the first at once, before its second ends
  });

  /** As of the moment it is opened: a table that moves cannot be read. */
  function secondsTable(drawn) {
    const rows = drawn[0].map(([ms], i) => [
      { text: page.zone.hourMinuteSecond(ms), value: new Date(ms).toISOString() },
      ...drawn.map((points) => ({ text: rate(points[i][1]), value: points[i][1] })),
    ]);
    return { columns: columnsOf("second", ...lines.map(({ name }) => `${name} (/s)`)), rows: rows.reverse() };
  }

  function draw(drawn) {
    const endMs = drawn[0].at(-1)[0];
    return chart.show({
      startMs: endMs - (WINDOW_S - 1) * 1000,
      endMs,
      series: lines.map(({ field, name, colour, stroke }, i) => ({ id: field, name, colour, stroke, points: drawn[i] })),
    });
  }

  function beat() {
    if (document.hidden || !Number.isFinite(seconds.knownUntilS)) return;
    const nowS = page.nowMs() / 1000;
    const sampledUntilS = live.isStale() ? Date.parse(live.totals.nodes.newest_sample_at) / 1000 : Infinity;
    const drawn = lines.map(({ field }) => seconds.series(field, nowS, sampledUntilS));
    drawn.forEach((points, i) => setText(figures[i], rate(points.at(-1)[1])));
    panel.root.setAttribute("aria-busy", "false");
    if (panel.part("table").hidden) panel.show(drawn);
  }

  setInterval(beat, EVERY_MS);
}

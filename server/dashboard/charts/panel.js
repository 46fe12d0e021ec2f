// One card that loads by itself: {% include "dashboard/charts/panel.html" with id="…" … %} is its place.
// It is in one of five states: it shows numbers, there are none, it is loading, it is stale because a
// refresh failed, or it failed from the start.

import { marksWithin } from "./changes.js";
import { csvCell } from "../shell/formats.js";
import { loadMarks } from "./marks.js";
import { RequestError, page } from "../shell/page.js";
import { make, setText, swatch } from "../shell/text.js";
import { table } from "./table.js";
import { toast } from "../shell/controls/toast.js";

/** Marks listed under a table; the newest if there are more. */
const MAX_LISTED_MARKS = 50;

/**
 * Bind the panel `id` and load it. Options:
 * - load(): a promise of the data; `page.get(…)` for the page's range.
 * - draw(data, body): show it; may be async.
 * - empty(data): words when there is nothing to show, else "".
 * - table(data): {columns: [{name, numeric, file}], rows: [[cell, …]]} for "as table" and CSV; a
 *   cell is text, a number, or {text, value, href}. A file has the value, under the name `file`.
 * - file: how a CSV file is called.
 * - marked: changes of nodes, incidents and blocks belong into it: true for all, names of nodes, or
 *   {name} of one subject or provider. `draw` finds them as `this.marks`.
 */
export function panel(id, options) {
  const made = new Panel(document.getElementById(id), options);
  page.onRefresh(() => made.refresh());
  return made;
}

export class Panel {
  #requests = 0;

  constructor(root, { load, draw, empty = () => "", table: rows = null, file = root.id, marked = null }) {
    Object.assign(this, { root, load, draw, empty, rows, file, marked, marks: [], unmarked: "" });
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.body = this.part("body");
    this.atMs = null;
    this.part("retry").addEventListener("click", () => this.refresh());
    this.part("as-table")?.addEventListener("click", () => this.#toggleTable());
    this.part("csv").addEventListener("click", () => this.#download());
    this.part("link").addEventListener("click", () => copyLink(root.id));
    if (!rows) for (const name of ["as-table", "csv"]) this.part(name)?.remove();
  }

  /** Load and show, or show what went wrong. An answer that a newer request overtook is ignored. */
  async refresh() {
    const mine = ++this.#requests;
    this.root.setAttribute("aria-busy", "true");
    try {
      const [data, { marks, reason }] = await Promise.all([this.load(), this.#loadMarks()]);
      if (mine !== this.#requests) return;
      Object.assign(this, { marks, unmarked: reason });
      await this.show(data);
      this.#complain(null);
    } catch (error) {
      if (mine !== this.#requests) return;
      this.#complain(error.message);
      if (!(error instanceof RequestError)) console.error(error); // a mistake of ours: tests read the console
    } finally {
      if (mine === this.#requests) this.root.setAttribute("aria-busy", "false");
    }
  }

  #loadMarks() {
    if (!this.marked) return { marks: [], reason: "" };
    return loadMarks(Array.isArray(this.marked) ? this.marked : null, this.marked.name ?? null);
  }

  /** Show `data`, as if it had been loaded. */
  async show(data) {
    this.data = data;
    this.atMs = page.nowMs();
    const words = this.empty(data);
    this.part("empty").hidden = !words;
    setText(this.part("empty"), words);
    this.body.querySelector(".skeleton")?.remove();
    this.root.toggleAttribute("data-none", Boolean(words));
    await this.draw(data, this.body);
    if (this.rows) {
      for (const button of this.root.querySelectorAll(".card-tools [disabled]")) button.disabled = false;
      if (!this.part("table").hidden) this.#fillTable();
    }
    this.root.dataset.loaded = "";
  }

  /** Quiet words beside the title. */
  note(text) {
    setText(this.part("note"), text);
  }

  /**
   * The legend: items {name, meaning or colour, stroke, value, title}. `meaning` is a class of
   * swatch (delivered, deferred …); note: quiet words at its end.
   */
  legend(items, note = "") {
    const lines = items.map((item) => make("li", { title: item.title, "data-name": item.name },
      swatch("span", item), " ", item.value === undefined ? null : make("b", {}, item.value)));
    if (note) lines.push(make("li", { class: "legend-note quiet" }, note));
    this.part("legend").replaceChildren(...lines);
  }

  #complain(reason) {
    const had = this.atMs !== null;
    this.part("error").hidden = reason === null || had;
    this.root.toggleAttribute("data-outdated", reason !== null && had);
    const at = had ? page.zone.hourMinute(this.atMs) : "";
    const unmarked = this.unmarked && `restarts, silences and incidents are not shown: ${this.unmarked}`;
    setText(this.part("stale"), reason !== null && had ? `as of ${at}: ${reason}` : unmarked);
    if (reason === null || had) return;
    setText(this.part("reason"), `This could not be loaded: ${reason}. The data itself is not affected.`);
  }

  #toggleTable() {
    const area = this.part("table");
    area.hidden = !area.hidden;
    this.body.hidden = !area.hidden;
    this.part("as-table").setAttribute("aria-pressed", String(!area.hidden));
    if (area.hidden) this.draw(this.data, this.body);
    else this.#fillTable();
  }

  #fillTable() {
    this.part("table").replaceChildren(table(this.rows(this.data)), ...this.#markList());
  }

  /** The vertical marks of the chart as a list. */
  #markList() {
    if (!this.marked) return [];
    const { startMs, endMs } = page.range();
    const marks = marksWithin(this.marks, startMs, endMs);
    const items = marks.slice(-MAX_LISTED_MARKS).reverse().map(({ ms, text, path }) =>
      make("li", {}, make("time", { datetime: new Date(ms).toISOString() }, page.zone.moment(ms, page.nowMs())), " ", path ? make("a", { href: page.href(path) }, text) : text));
    const title = marks.length > items.length ? `What happened, the last ${items.length} of ${marks.length}` : "What happened";
    const none = this.unmarked ? `It could not be loaded: ${this.unmarked}.` : "No start, version change, silence, maintenance, incident or block in this range.";
    return [make("h3", {}, title), items.length ? make("ul", { class: "mark-list" }, ...items) : make("p", { class: "quiet" }, none)];
  }

  #download() {
    const { columns, rows } = this.rows(this.data);
    const lines = [columns.map(({ name, file }) => file ?? name), ...rows.map((row) => row.map(plain))];
    const text = lines.map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";
    const link = make("a", { download: `${this.file}-${page.zone.date(page.range().endMs)}.csv` });
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

/** A cell as a file wants it: the number itself, a time in full. */
function plain(cell) {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? (cell.value ?? cell.text) : cell;
}

async function copyLink(id) {
  const link = page.link(id);
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied: it shows this range to everybody.");
  } catch {
    toast(link); // without a secure address there is no clipboard
  }
}

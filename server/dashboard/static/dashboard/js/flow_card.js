// The card around the 24-hour chart: loads the numbers, draws them, shows them as a table or a file.

import { hourMinute, thousands } from "./format.js";
import { csv, rows, shownOutcomes, totalOf } from "./throughput.js";

const TIMEOUT_MS = 10_000;

export class FlowCard {
  /** `chart` is a promise of a FlowChart: its code is large and comes after the first paint. */
  constructor(root, chart, { onLoggedOut }) {
    this.root = root;
    this.chart = chart;
    this.onLoggedOut = onLoggedOut;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.part("as-table").addEventListener("click", () => this.#toggleTable());
    this.part("csv").addEventListener("click", () => this.#download());
    this.part("retry").addEventListener("click", () => this.load());
  }

  /** Ask the API and show the answer, or say what went wrong. */
  async load() {
    try {
      const response = await fetch(this.root.dataset.url, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status === 401 || response.status === 403) return this.onLoggedOut();
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      await this.show(await response.json());
      this.#complain(null);
    } catch (error) {
      this.#complain(error.name === "TimeoutError" ? "the server did not answer in 10 s" : error.message);
    }
  }

  async show(answer) {
    this.answer = answer;
    for (const type of shownOutcomes(answer)) {
      const total = this.root.querySelector(`[data-total="${type}"]`);
      total.textContent = thousands(totalOf(answer, type));
      total.parentElement.hidden = false;
    }
    const empty = rows(answer).every((row) => row.total === 0);
    this.part("empty").hidden = !empty;
    this.part("csv").disabled = false;
    this.part("as-table").disabled = false;
    this.#fillTable();
    (await this.chart).show(answer);
    this.root.dataset.loaded = "";
  }

  #complain(reason) {
    const box = this.part("error");
    box.hidden = reason === null;
    if (reason !== null) this.part("reason").textContent = reason;
  }

  #toggleTable() {
    const table = this.part("table");
    table.hidden = !table.hidden;
    this.part("chart").hidden = !table.hidden;
    this.part("as-table").setAttribute("aria-pressed", String(!table.hidden));
  }

  #fillTable() {
    const types = shownOutcomes(this.answer);
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const name of ["from – to", ...types, "total", "inferred"]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows(this.answer).reverse()) {
      const line = body.insertRow();
      const label = document.createElement("th");
      label.scope = "row";
      const running = row.partial ? " (running)" : "";
      label.textContent = `${hourMinute(row.startMs)} – ${hourMinute(row.endMs)}${running}`;
      line.append(label);
      for (const count of [...types.map((type) => row.counts[type]), row.total, row.inferred]) {
        line.insertCell().textContent = thousands(count);
      }
    }
    this.part("table").replaceChildren(table);
  }

  #download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(this.answer)], { type: "text/csv" }));
    link.download = `outbound-${this.answer.buckets[0].start.slice(0, 10)}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

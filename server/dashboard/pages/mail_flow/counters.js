// The big numbers: counted up to their new value, with their share of the section's outcomes.

import { percent, thousands } from "../../shell/formats.js";

const COUNT_UP_MS = 300;
/** From here on a number is set smaller, so that it stays inside its column. */
const LONG_FROM = 1_000_000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** All elements with data-counter="direction.type" under `root`. */
export class Counters {
  constructor(root) {
    this.counters = [...root.querySelectorAll("[data-counter]")].map((element) => new Counter(element));
  }

  /** Show the totals of one hour, as frames carry them. */
  show(hour) {
    for (const counter of this.counters) counter.show(hour);
  }
}

class Counter {
  constructor(element) {
    [this.direction, this.type] = element.dataset.counter.split(".");
    this.outcomes = element.dataset.outcomes?.split(" ") ?? [];
    this.value = element.querySelector("[data-value]");
    this.share = element.querySelector("[data-share]");
    this.shown = this.target = Number(element.dataset.count);
  }

  show(hour) {
    const counts = hour[this.direction];
    if (counts[this.type] === undefined) return; // a server of another version: the numbers stay
    if (this.share) {
      const total = this.outcomes.reduce((sum, type) => sum + (counts[type] ?? 0), 0);
      this.share.textContent = percent(counts[this.type], total);
    }
    this.#moveTo(counts[this.type]);
  }

  #moveTo(target) {
    if (target === this.target) return;
    this.target = target;
    const from = this.shown;
    const startedMs = performance.now();
    const step = () => {
      if (this.target !== target) return; // a newer number took over
      const done = calm.matches ? 1 : Math.min(1, (performance.now() - startedMs) / COUNT_UP_MS);
      this.#paint(Math.round(from + (target - from) * done));
      if (done < 1) requestAnimationFrame(step);
    };
    step();
  }

  #paint(count) {
    this.shown = count;
    this.value.textContent = thousands(count);
    this.value.toggleAttribute("data-long", count >= LONG_FROM);
  }
}

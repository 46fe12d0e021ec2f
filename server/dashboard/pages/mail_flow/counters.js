// The big numbers: counted up to their new value, with their share of the section's outcomes.

import { percent, thousands } from "../../shell/formats.js";
import { live } from "../../shell/live/connection.js";
import { setText } from "../../shell/text.js";

const COUNT_UP_MS = 300;
/** From here on a number is set smaller, so that it stays inside its column. */
const LONG_FROM = 1_000_000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Keep an element with data-counter="direction.type" current. */
function bindCounter(element) {
  const [direction, type] = element.dataset.counter.split(".");
  const outcomes = element.dataset.outcomes.split(" ");
  const value = element.querySelector("[data-value]");
  const share = element.querySelector("[data-share]");
  let target = Number(element.dataset.count);
  let shown = target;
  live.onFrame(({ hour: { [direction]: counts } }) => {
    const count = counts[type];
    if (count === undefined) return; // a server of another version: the numbers stay
    if (share) setText(share, percent(count, outcomes.reduce((sum, each) => sum + (counts[each] ?? 0), 0)));
    if (count === target) return;
    target = count;
    const from = shown;
    const startedMs = performance.now();
    const step = () => {
      if (target !== count) return; // a newer number took over
      const done = calm.matches ? 1 : Math.min(1, (performance.now() - startedMs) / COUNT_UP_MS);
      shown = Math.round(from + (count - from) * done);
      value.textContent = thousands(shown);
      value.toggleAttribute("data-long", shown >= LONG_FROM);
      if (done < 1) requestAnimationFrame(step);
    };
    step();
  });
}

/** Keep all counters of the page current. */
export function bindCounters() {
  for (const element of document.querySelectorAll("[data-counter]")) bindCounter(element);
}

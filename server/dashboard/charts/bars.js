// Bars that lie: a name, a bar, a number; as many as there are, largest or first on top. Plain
// elements, so that they are read, copied and followed like any text.

import { thousands } from "../shell/formats.js";
import { panel } from "./panel.js";
import { make } from "../shell/text.js";

/**
 * Bind the panel `id` to bars: items(data) → [{name, value, text, note, meaning, href, title}], where
 * `meaning` is a class of swatch. Lengths are relative to `max` (by default the largest value); all
 * others as for panel().
 */
export function barsPanel(id, { items, max, ...others }) {
  return panel(id, {
    ...others,
    draw(data, body) {
      const all = items.call(this, data);
      const longest = max ?? Math.max(0, ...all.map(({ value }) => value));
      body.replaceChildren(make("ol", { class: "bars figures" }, ...all.map((item) => line(item, longest))));
    },
  });
}

function line({ name, value, text, note, meaning, href, title }, max) {
  const bar = make("span", { class: `bar swatch-${meaning ?? "plain"}`, hidden: !value });
  bar.style.width = max ? `${(100 * value) / max}%` : "0";
  return make(
    "li",
    { title },
    make(href ? "a" : "span", { class: "bar-name", href: href || null }, name),
    make("span", { class: "bar-track", "aria-hidden": "true" }, bar),
    make("span", { class: "bar-value" }, text ?? thousands(value)),
    make("span", { class: "bar-note quiet" }, note ?? ""),
  );
}

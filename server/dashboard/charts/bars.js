// Bars that lie: a name, a bar, a number; as many as there are, largest or first on top. Plain
// elements, so that they are read, copied and followed like any text.

import { make } from "../shell/text.js";

/**
 * Fill `body` with bars: {name, value, text, note, meaning, href, title}. Lengths are relative to `max` (by
 * default the largest value); `meaning` is a class of swatch.
 */
export function bars(body, items, { max = Math.max(0, ...items.map(({ value }) => value)) } = {}) {
  const lines = items.map(({ name, value, text, note, meaning, href, title }) => {
    const bar = make("span", { class: `bar swatch-${meaning ?? "plain"}` });
    bar.hidden = !value;
    bar.style.width = max ? `${(100 * value) / max}%` : "0";
    return make(
      "li",
      { title },
      href ? make("a", { class: "bar-name", href }, name) : make("span", { class: "bar-name" }, name),
      make("span", { class: "bar-track", "aria-hidden": "true" }, bar),
      make("span", { class: "bar-value" }, text ?? String(value)),
      make("span", { class: "bar-note quiet" }, note ?? ""),
    );
  });
  body.replaceChildren(make("ol", { class: "bars figures" }, ...lines));
}

// Short messages about an action, gone after a while.

import { make } from "../text.js";

const SHOWN_MS = 6_000;

/** Show `text`; level: ok or error. Errors stay until they are closed. */
export function toast(text, level = "ok") {
  const close = make("button", { type: "button", class: "tool-icon", "aria-label": "Close" }, "✕");
  const box = make("p", { class: "toast card", "data-level": level }, text, close);
  close.addEventListener("click", () => box.remove());
  document.getElementById("toasts").append(box);
  if (level !== "error") setTimeout(() => box.remove(), SHOWN_MS);
}

// Short messages about an action, gone after a while.

const SHOWN_MS = 6_000;

/** Show `text`; level: ok or error. Errors stay until they are closed. */
export function toast(text, level = "ok") {
  const box = document.createElement("p");
  box.className = "toast card";
  box.dataset.level = level;
  box.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "tool-icon";
  close.setAttribute("aria-label", "Close");
  close.textContent = "✕";
  close.addEventListener("click", () => box.remove());
  box.append(close);
  document.getElementById("toasts").append(box);
  if (level !== "error") setTimeout(() => box.remove(), SHOWN_MS);
}

// The list of nodes: what it shows comes from the server anew; ages go on, choices stay.

import "../../shell/live/connection.js";
import "../../shell/controls/controls.js";
import { page } from "../../shell/page.js";
import { Repaint } from "../../shell/live/repaint.js";
import { setText } from "../../shell/text.js";

const LEAST = 2;
const MOST = 5;
const chosen = new Set();
const repaint = new Repaint();
const list = document.getElementById("nodes");

repaint.addEventListener("painted", mark);
list.addEventListener("change", ({ target }) => {
  if (target.name === "node") {
    if (target.checked) chosen.add(target.value);
    else chosen.delete(target.value);
    mark();
  } else if (target.name === "role" || target.name === "sort") {
    page.set({ [target.name]: target.value, page: null });
  }
});
list.addEventListener("submit", (event) => {
  if (event.target.dataset.part !== "filter") return;
  event.preventDefault();
  page.set({ q: event.target.elements.q.value.trim(), page: null });
});
mark();

/** Show what is chosen: the parts were painted anew, the choice was not. */
function mark() {
  const boxes = [...list.querySelectorAll('input[name="node"]')];
  const here = new Set(boxes.map(({ value }) => value));
  for (const name of chosen) if (!here.has(name)) chosen.delete(name);
  for (const box of boxes) {
    box.checked = chosen.has(box.value);
    box.disabled = !box.checked && chosen.size >= MOST;
  }
  const button = list.querySelector('[data-part="compare-button"]');
  if (!button) return;
  button.disabled = chosen.size < LEAST;
  const words = chosen.size ? `${chosen.size} chosen` : `choose ${LEAST} to ${MOST} to compare them`;
  setText(list.querySelector('[data-part="picked"]'), words);
}

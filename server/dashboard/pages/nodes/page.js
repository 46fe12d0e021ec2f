// The list of nodes: filters, and the choice of nodes to compare, which outlives reloads.

import "../../shell/shell.js";
import { page } from "../../shell/page.js";
import { setText } from "../../shell/text.js";

const MIN_COMPARED = 2;
const MAX_COMPARED = 5;
const chosen = new Set();
const list = document.getElementById("nodes");

page.addEventListener("reloaded", mark);
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

/** Mark what is chosen; a reload replaced the boxes, not the choice. */
function mark() {
  const boxes = [...list.querySelectorAll('input[name="node"]')];
  const here = new Set(boxes.map(({ value }) => value));
  for (const name of chosen) if (!here.has(name)) chosen.delete(name);
  for (const box of boxes) {
    box.checked = chosen.has(box.value);
    box.disabled = !box.checked && chosen.size >= MAX_COMPARED;
  }
  const button = list.querySelector('[data-part="compare-button"]');
  if (!button) return;
  button.disabled = chosen.size < MIN_COMPARED;
  const words = chosen.size ? `${chosen.size} selected` : `choose ${MIN_COMPARED} to ${MAX_COMPARED} to compare them`;
  setText(list.querySelector('[data-part="picked"]'), words);
}

// Tables that the server rendered (`data-sortable`) are sorted by any column: a button in each head,
// aria-sort for who does not see it. What was chosen stays when the table is fetched again.

import { by } from "../../charts/table.js";
import { page } from "../page.js";
import { make } from "../text.js";

/** Id of a table → {column, descending}. */
const chosen = new Map();

/** Make the heads of all tables below `root` into buttons. */
function prepare(root) {
  for (const table of root.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.querySelector("button")) return;
      const button = make("button", { type: "button", class: "sort" }, head.textContent);
      button.id = `${table.id}-sort-${column}`;
      button.addEventListener("click", () => {
        const now = chosen.get(table.id);
        const numeric = head.classList.contains("number");
        chosen.set(table.id, { column, descending: now?.column === column ? !now.descending : numeric });
        sort(table);
      });
      head.replaceChildren(button);
    });
    if (chosen.has(table.id)) sort(table);
  }
}

function sort(table) {
  const { column, descending } = chosen.get(table.id);
  const compare = by({ column, descending });
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, cells: [...row.cells].map(worth) }));
  rows.sort((one, other) => compare(one.cells, other.cells));
  table.tBodies[0].append(...rows.map(({ row }) => row));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

/** What a cell is sorted by: its `data-sort`, as a number in a column of numbers. */
function worth(cell) {
  const text = cell.dataset.sort || cell.textContent.trim();
  if (!cell.classList.contains("number")) return text || null;
  const value = Number(text);
  return Number.isNaN(value) || value < 0 ? null : value;
}

page.addEventListener("replaced", ({ detail }) => prepare(detail));
prepare(document);

// Tables: sticky head, right-aligned numbers, sorted by any column, rows that the keyboard reaches.

import { thousands } from "../shell/formats.js";
import { make } from "../shell/text.js";

/**
 * Make a table of {columns, rows}. columns: {name, numeric, title, wide}; a cell is text, a number
 * (shown with separators), or {text, value, href, node}: what is shown, what is sorted
 * and saved by, where it leads. options: sort {column, descending} to begin with; onSort(sort) when
 * the reader sorts; caption.
 */
export function table({ columns, rows }, { sort = null, onSort = null, caption = "" } = {}) {
  const body = make("tbody");
  const heads = columns.map(({ name, numeric, title }, i) => {
    const button = make("button", { type: "button", class: "sort", title }, name);
    button.addEventListener("click", () => sortBy(i));
    return make("th", { scope: "col", class: numeric ? "number" : null }, button);
  });
  const made = make("table", { class: "data-table" }, caption && make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads)), body);
  let now = sort;

  function sortBy(column) {
    const numeric = Boolean(columns[column].numeric);
    // Numbers begin with the largest, words with the first.
    now = { column, descending: now?.column === column ? !now.descending : numeric };
    fill();
    onSort?.(now);
  }

  function fill() {
    const sorted = now ? [...rows].sort(by(now)) : rows;
    body.replaceChildren(...sorted.map((row) => line(row, columns)));
    heads.forEach((head, i) => {
      if (now?.column === i) head.setAttribute("aria-sort", now.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  fill();
  return made;
}

/** Columns of a table: words first, then numbers. */
export function columnsOf(first, ...numbers) {
  return [{ name: first }, ...numbers.map((name) => ({ name, numeric: true }))];
}

/** Compare rows by a column; what is unknown comes last either way. Pure. */
export function by({ column, descending }) {
  const sign = descending ? -1 : 1;
  return (one, other) => {
    const [a, b] = [worth(one[column]), worth(other[column])];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
  };
}

/** What a cell is sorted by. Pure. */
function worth(cell) {
  if (cell === null || cell === undefined) return null;
  return typeof cell === "object" ? (cell.value === undefined ? (cell.text ?? null) : cell.value) : cell;
}

function line(row, columns) {
  return make("tr", {}, ...row.map((cell, i) => {
    const [tag, scope] = i ? ["td", null] : ["th", "row"];
    return make(tag, { scope, class: columns[i].numeric ? "number" : null }, shown(cell));
  }));
}

function shown(cell) {
  if (cell === null || cell === undefined || typeof cell === "number") return thousands(cell);
  if (typeof cell !== "object") return cell;
  const inside = cell.node ?? cell.text;
  return cell.href ? make("a", { href: cell.href }, inside) : inside;
}

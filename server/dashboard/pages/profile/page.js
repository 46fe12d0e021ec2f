// The page of one provider, destination, sending IP, sending domain or account.

import "../../shell/shell.js";
import "../../shell/lists/sorting.js";
import { page } from "../../shell/page.js";
import { stackedPanel, width } from "../../charts/stacked_panel.js";

const { of, name, column, since } = JSON.parse(document.getElementById("chart-facts").textContent);
const direction = "outbound";
const filters = { [column]: name };
/** The moment from which on more is refused than usual. */
const marks = since ? [{ ms: Date.parse(since), text: "more refused", meaning: "bounced", stroke: "solid", weight: 8 }] : [];

stackedPanel("outcomes", {
  direction,
  filters,
  marks,
  marked: { name },
  load: () => page.get("email/profile", { of, name, width: width() }),
  file: `${of}-outcomes`,
});
stackedPanel("trend", {
  direction,
  filters,
  marks,
  marked: { name },
  load: () => page.get("email/profile", { of, name, range: "30d", width: "1d" }),
  file: `${of}-30-days`,
});

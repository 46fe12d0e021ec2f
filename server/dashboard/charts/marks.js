// Marks of the page's charts: changes of nodes, incidents and blocks in its range, loaded once per refresh.

import { marksOf } from "./changes.js";
import { RequestError, page } from "../shell/page.js";

// Of the demo's banner, which production pages do not have.
const historyUntil = document.querySelector(".demo-banner time")?.dateTime;
const historyUntilMs = historyUntil && Date.parse(historyUntil);

/**
 * Return {marks, reason}: the marks of all nodes, or of `nodes` alone; `name`: incidents and blocks of
 * this subject or provider alone; `reason`: why they could not be loaded. Never rejects: a chart is
 * shown without its marks, with the reason.
 */
export async function loadMarks(nodes = null, name = null) {
  const only = nodes?.length === 1 ? nodes[0] : null;
  const own = historyUntilMs ? [{ ms: historyUntilMs, text: "real mail from here", meaning: "information", stroke: "solid", weight: 9 }] : [];
  try {
    const { changes } = await page.get("changes", { node: only, name });
    const wanted = nodes && only === null ? changes.filter(({ node }) => nodes.includes(node)) : changes;
    return { marks: [...own, ...marksOf(wanted, { named: only === null })].sort((one, other) => one.ms - other.ms), reason: "" };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { marks: own, reason: error.message };
  }
}

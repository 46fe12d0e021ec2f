// The sentence a page begins with, from facts. Pure. The same rules as server/dashboard/verdict.py,
// kept equal by the vectors in frontend/test/verdicts.json.

import { duration } from "./format.js";

/** What one node or several do: "1 node reports", "15 nodes report". */
const nodes = (count, one, many) => `${count} ${count === 1 ? "node" : "nodes"} ${count === 1 ? one : many}`;

/**
 * Return {level, text} for a frame's `totals` at `nowMs` of the server's clock.
 * level: ok · warning · critical · none (nothing to judge yet).
 */
export function verdict(totals, nowMs) {
  const { known, reporting, silent, heard_at: heardAt } = totals.nodes;
  const mail = mailPart(totals.hour);
  if (known === 0) {
    const counted = mail.any ? "; mail is counted all the same" : "";
    return { level: "none", text: `No node has reported yet${counted}` };
  }
  if (heardAt === null) {
    return { level: "warning", text: `${nodes(known, "is", "are")} known but never sent a sample` };
  }
  if (reporting === known) {
    const all = known === 1 ? "" : "All ";
    return { level: mail.level, text: `${all}${nodes(known, "reports", "report")}, ${mail.text}` };
  }
  const named = silent.map((node) => silence(node, nowMs));
  const unnamed = known - reporting - silent.length;
  if (unnamed > 0) named.push(`${unnamed} more`);
  const who = known === 1 ? "The only node is silent" : `${known - reporting} of ${known} nodes silent`;
  const gone = `${who}: ${named.join(", ")}`;
  if (reporting === 0) return { level: "critical", text: gone };
  return { level: mail.level === "critical" ? "critical" : "warning", text: `${gone} · ${mail.text}` };
}

function silence(node, nowMs) {
  if (node.last_seen_at === null) return `${node.name} (never heard)`;
  return `${node.name} for ${duration((nowMs - Date.parse(node.last_seen_at)) / 1000)}`;
}

function mailPart(hour) {
  const { delivered, bounced, deferred } = hour.outbound;
  const counts = [...Object.values(hour.inbound), ...Object.values(hour.outbound)];
  const any = counts.some((count) => count > 0);
  if (!any) return { any, level: "ok", text: "no mail in the last 60 minutes" };
  if (delivered === 0 && bounced + deferred > 0) {
    return { any, level: "critical", text: "nothing delivered in the last 60 minutes" };
  }
  return { any, level: "ok", text: "mail flows" };
}

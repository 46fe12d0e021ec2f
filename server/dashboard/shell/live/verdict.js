// The sentence a page begins with, from facts. Pure. The same rules as verdict.py,
// kept equal by the vectors in verdicts.json.

import { duration, thousands } from "../formats.js";

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

/** So many findings stand in the sentence; the others are counted. */
const FINDINGS_NAMED = 3;
/** Of a remote server's words so many characters stand in the sentence. */
const WORDS_CHARS = 60;

/**
 * A verdict that also says what else needs somebody, or that nothing does. `findings` as
 * server/dashboard/overview.py makes them; `complete`: whether all numbered events arrived, null when
 * that is not known; `hourMinute(ms)` says a time in the reader's zone.
 */
export function overall(judged, findings, complete, hourMinute) {
  if (!findings.length) {
    const done = complete && judged.level === "ok" ? ", data complete" : "";
    return { level: judged.level, text: judged.text + done };
  }
  const named = findings.slice(0, FINDINGS_NAMED).map((finding) => findingText(finding, hourMinute));
  if (findings.length > FINDINGS_NAMED) named.push(`${findings.length - FINDINGS_NAMED} more`);
  const need = findings.length === 1 ? "1 thing needs you" : `${findings.length} things need you`;
  const level = judged.level === "critical" ? "critical" : "warning";
  return { level, text: `${judged.text} · ${need}: ${named.join(" · ")}` };
}

function findingText(finding, hourMinute) {
  if (finding.kind === "destination") {
    const words = cut(finding.words);
    return `${finding.domain} ${finding.verb} since ${hourMinute(Date.parse(finding.since))}${words && ` (${words})`}`;
  }
  if (finding.kind === "queue") return `mail waits for ${duration(finding.oldest_s)}`;
  const events = finding.count === 1 ? "1 event is" : `${thousands(finding.count)} events are`;
  return `${events} missing from ${finding.node}`;
}

function cut(words) {
  const line = words.split(/\s+/).filter(Boolean).join(" ");
  return [...line].length <= WORDS_CHARS ? line : `${[...line].slice(0, WORDS_CHARS - 1).join("")}…`;
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

"""The sentence a page begins with, made from facts. Pure.

The live page judges with verdict.js by the same rules; the vectors in
verdicts.json are run against both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.dashboard.shell.formats import duration, thousands

#: So many findings stand in the sentence; the others are counted.
FINDINGS_NAMED = 3
#: Of a remote server's words so many characters stand in the sentence.
WORDS_CHARS = 60
QUIET = "no mail in the last 60 minutes"


@dataclass(frozen=True)
class Verdict:
    """`level`: ok, warning, critical, or none when there is nothing to judge yet."""

    level: str
    text: str


def verdict(totals: dict[str, Any]) -> Verdict:
    """Judge the totals of one moment, as live.messages gives them."""
    nodes = totals["nodes"]
    known, reporting = nodes["known"], nodes["reporting"]
    mail = _mail(totals["hour"])
    if known == 0:
        counted = "" if mail.text == QUIET else "; mail is counted all the same"
        return Verdict("none", f"No node has reported yet{counted}")
    if nodes["heard_at"] is None:
        return Verdict("warning", f"{_nodes(known, 'is', 'are')} known but never sent a sample")
    if reporting == known:
        everyone = "" if known == 1 else "All "
        text = f"{everyone}{_nodes(known, 'reports', 'report')}, {mail.text}"
        return Verdict(mail.level, text)
    at = datetime.fromisoformat(totals["at"])
    named = [_silence(node, at) for node in nodes["silent"]]
    unnamed = known - reporting - len(named)
    if unnamed > 0:
        named.append(f"{unnamed} more")
    who = (
        "The only node is silent" if known == 1 else f"{known - reporting} of {known} nodes silent"
    )
    gone = f"{who}: {', '.join(named)}"
    if reporting == 0:
        return Verdict("critical", gone)
    level = "critical" if mail.level == "critical" else "warning"
    return Verdict(level, f"{gone} · {mail.text}")


def overall(
    judged: Verdict, findings: Sequence[dict[str, Any]], *, complete: bool | None
) -> Verdict:
    """Return a verdict that also says what else needs somebody, or that nothing does.

    `findings`: see overview.findings. `complete`: whether all numbered events arrived, None when
    that is not known. Times are of UTC here and of the reader's zone in the live page.
    """
    if not findings:
        done = ", data complete" if complete and judged.level == "ok" else ""
        return Verdict(judged.level, judged.text + done)
    named = [_finding(finding) for finding in findings[:FINDINGS_NAMED]]
    if len(findings) > FINDINGS_NAMED:
        named.append(f"{len(findings) - FINDINGS_NAMED} more")
    need = "1 thing needs you" if len(findings) == 1 else f"{len(findings)} things need you"
    level = "critical" if judged.level == "critical" else "warning"
    return Verdict(level, f"{judged.text} · {need}: {' · '.join(named)}")


def _finding(finding: dict[str, Any]) -> str:
    if finding["kind"] == "destination":
        since = datetime.fromisoformat(finding["since"]).astimezone(UTC)
        words = _cut(finding["words"])
        said = f" ({words})" if words else ""
        return f"{finding['domain']} {finding['verb']} since {since:%H:%M}{said}"
    if finding["kind"] == "queue":
        return f"mail waits for {duration(finding['oldest_s'])}"
    count = finding["count"]
    events = "1 event is" if count == 1 else f"{thousands(count)} events are"
    return f"{events} missing from {finding['node']}"


def _cut(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= WORDS_CHARS else f"{line[: WORDS_CHARS - 1]}…"


def _nodes(count: int, one: str, many: str) -> str:
    return f"{count} node {one}" if count == 1 else f"{count} nodes {many}"


def _silence(node: dict[str, Any], at: datetime) -> str:
    if node["last_seen_at"] is None:
        return f"{node['name']} (never heard)"
    silent_s = (at - datetime.fromisoformat(node["last_seen_at"])).total_seconds()
    return f"{node['name']} for {duration(silent_s)}"


def _mail(hour: dict[str, Any]) -> Verdict:
    outbound = hour["outbound"]
    if not any([*hour["inbound"].values(), *outbound.values()]):
        return Verdict("ok", QUIET)
    if outbound["delivered"] == 0 and outbound["bounced"] + outbound["deferred"] > 0:
        return Verdict("critical", "nothing delivered in the last 60 minutes")
    return Verdict("ok", "mail flows")

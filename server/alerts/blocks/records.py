"""Store of blocks: rows are opened, kept up to date and ended here alone."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from server.alerts.blocks.detection import Change
from server.alerts.blocks.models import MAX_CONTRIBUTORS, MAX_NAME_CHARS, Block
from server.alerts.blocks.queries import read_evidence
from server.alerts.blocks.watch import Watch

#: What changes while a block is open.
COUNTED = (
    "started_at", "refused_at", "permanent_at", "refused_count", "taken_count", "bounce_class",
    "reply_fingerprint", "reply", "senders", "domains", "ips", "replies",
)  # fmt: skip


def store(changes: Iterable[Change], watches: Iterable[Watch]) -> None:
    """End, open and update blocks. Runs in the transaction of the state it belongs to."""
    rows = {_key_of(row): row for row in Block.objects.filter(ended_at=None)}
    for change in changes:
        key = _key(change.watch)
        if change.ended_at is None:
            if key not in rows:
                rows[key] = _open(change.watch)
        elif row := rows.pop(key, None):
            _count(row, change.watch)
            row.ended_at, row.end_reason = _time(change.ended_at), change.reason
            row.ended_at = max(row.ended_at, row.started_at)
            row.save()
    for watch in watches:
        row = rows.pop(_key(watch), None)
        if row is None:
            row = _open(watch)
        elif _count(row, watch):
            row.save(update_fields=COUNTED)
    for row in rows.values():
        # Its state was lost: it begins anew if mail is still refused.
        row.ended_at, row.end_reason = row.refused_at, Block.EndReason.UNTRIED
        row.save(update_fields=["ended_at", "end_reason"])


def delete_old(now: datetime) -> int:
    """Delete the blocks that ended before their retention, which is that of alerts; return how
    many."""
    before = now - timedelta(days=settings.ALERTS_RETENTION_DAYS)
    count, _ = Block.objects.filter(ended_at__lt=before).delete()
    return count


def _open(watch: Watch) -> Block:
    row = Block(
        kind=watch.kind, provider=watch.provider, subject=watch.subject[:MAX_NAME_CHARS],
        found_at=_time(watch.found_at), evidence=read_evidence(watch),
    )  # fmt: skip
    _count(row, watch)
    row.save()
    return row


def _count(row: Block, watch: Watch) -> bool:
    """Take over what a watch has counted; return whether that changed anything."""
    before = {name: getattr(row, name) for name in COUNTED}
    row.started_at = _time(watch.started_at)
    row.refused_at = _time(watch.refused_at or watch.started_at)
    row.permanent_at = _time(watch.permanent_at) if watch.permanent_at else None
    row.refused_count, row.taken_count = watch.refused, watch.taken
    row.senders, row.domains, row.ips = map(_most, (watch.senders, watch.domains, watch.ips))
    replies = sorted(watch.replies.items(), key=lambda each: (-each[1].messages, each[0]))
    row.replies = [
        {
            "fingerprint": fingerprint, "bounce_class": reply.bounce_class,
            "permanent": reply.is_permanent, "count": reply.messages,
        }
        for fingerprint, reply in replies[:MAX_CONTRIBUTORS]
    ]  # fmt: skip
    if row.replies:
        first = row.replies[0]
        row.bounce_class, row.reply_fingerprint = first["bounce_class"], first["fingerprint"]
        row.reply = _find_words(row.evidence, first["fingerprint"]) or row.reply
    return before != {name: getattr(row, name) for name in COUNTED}


def _find_words(evidence: Iterable[Mapping[str, Any]], fingerprint: str) -> str:
    return next((e["reply"] for e in evidence if e["fingerprint"] == fingerprint), "")


def _most(counts: Mapping[str, int]) -> list[list[Any]]:
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [[name, count] for name, count in ordered[:MAX_CONTRIBUTORS]]


def _key(watch: Watch) -> tuple[str, str, str]:
    return watch.kind, watch.provider, watch.subject[:MAX_NAME_CHARS]


def _key_of(row: Block) -> tuple[str, str, str]:
    return row.kind, row.provider, row.subject


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

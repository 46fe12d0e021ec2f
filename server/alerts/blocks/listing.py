"""Queries of the blocks that were found: those of now, and of one thing in a time."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from server.alerts.blocks.models import Block

#: More are not listed. Open ones come first.
MAX_LISTED = 100
#: Kind of a profile → the kind of the blocks that are of it.
KIND_OF_PROFILE = {"ip": "ip", "domain": "domain", "account": "sender"}


def open_blocks(limit: int = MAX_LISTED) -> list[Block]:
    """Return what is blocked now, the newest first."""
    return [*Block.objects.filter(ended_at=None)[:limit]]


def find_blocks(
    start: datetime,
    end: datetime,
    *,
    providers: Sequence[str] | None = None,
    kind: str | None = None,
    subject: str | None = None,
    limit: int = MAX_LISTED,
) -> list[Block]:
    """Return the blocks that were open in [start, end), open ones first, then the newest."""
    rows = Block.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=start), started_at__lt=end
    ).exclude(end_reason=Block.EndReason.MERGED)
    if providers is not None:
        rows = rows.filter(provider__in=providers)
    if kind:
        rows = rows.filter(kind=kind)
    if subject is not None:
        rows = rows.filter(subject=subject)
    return sorted(rows[:limit], key=lambda block: block.ended_at is not None)


def blocks_of(
    profile: str, name: str, start: datetime, end: datetime, *, providers: Sequence[str] = ()
) -> list[Block]:
    """Return the blocks of what a profile is of. `providers`: of a destination, who takes its
    mail; those of a sender's domain are of its accounts too."""
    if profile in {"provider", "destination"}:
        of = [name] if profile == "provider" else providers
        return find_blocks(start, end, providers=of) if of else []
    return find_blocks(start, end, kind=KIND_OF_PROFILE[profile], subject=name)


def find_block(number: int) -> Block | None:
    return Block.objects.filter(pk=number).first()

"""Blocks as other pages list them: what is refused since when, and where more is known. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe, describe_cause


@dataclass(frozen=True)
class ListedBlock:
    """One line. `ended_at`: None while it lasts."""

    level: str
    text: str
    cause: str
    href: str
    since: datetime
    ended_at: datetime | None


def build_listed(block: Block) -> ListedBlock:
    return ListedBlock(
        "none" if block.ended_at else "warning",
        describe(block),
        describe_cause(block),
        reverse("block", args=[block.pk]),
        block.started_at,
        block.ended_at,
    )


def list_blocks(blocks: Iterable[Block]) -> list[ListedBlock]:
    return [build_listed(block) for block in blocks]

"""Links between events of one story: by which values of which columns more of them are found. Pure.

A message that WildDuck stored names itself (`wildduck_id`); what it causes names it as its parent
(`parent_id`), as does what a transaction of Haraka causes. A cause may name its effect as well
(`caused_queue_id`). Between nodes of ours the Message-ID alone goes along.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Event = Mapping[str, Any]
#: Columns that are looked up, each with an index.
COLUMNS = ("queue_id", "wildduck_id", "parent_id", "caused_queue_id", "message_id")


def list_links(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    """Yield column and value of each lookup that may find more of the story; with repetitions."""
    for event in events:
        queue_id, parent_id = event["queue_id"], event["parent_id"]
        yield from _pairs(("queue_id",), queue_id, event["caused_queue_id"])
        yield from _pairs(("wildduck_id", "parent_id"), event["wildduck_id"])
        # A parent is a message that WildDuck stored, or a transaction of Haraka.
        yield from _pairs(("wildduck_id", "queue_id", "parent_id"), parent_id)
        yield from _pairs(
            ("caused_queue_id",) if event["direction"] == "outbound" else ("parent_id",), queue_id
        )
        yield from _pairs(("message_id",), event["message_id"])


def _pairs(columns: tuple[str, ...], *values: str | None) -> Iterator[tuple[str, str]]:
    for column in columns:
        for value in values:
            if value:
                yield column, value

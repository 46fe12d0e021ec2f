"""Frames of the live process, and the snapshot that a page is first painted with.

Every number is an absolute total, never a difference: a lost frame heals with the next one. What is
judged is judged here, once for all sockets: the sentence with its level, the bell, and the
overview's tiles.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from server.alerts import queries
from server.alerts.backlog import unstored
from server.alerts.present.bell import OpenIncidents, count_incidents
from server.alerts.present.problems import Facts, find_handled, find_problems
from server.alerts.present.sentence import Sentence, build_sentence
from server.alerts.present.standing import NONE_STANDS, Standing
from server.alerts.present.tiles import Tile, build_tiles
from server.live.counters import Seconds
from server.nodes.queries import Reporting, reporting
from server.observability.backlog import NOTHING_WAITS, Backlog, read_backlog
from server.rollups.mail.queries import HourTotals, hour_totals

#: The Channels message by which the pump reaches every consumer's `flow` method.
FLOW = "flow"
#: Seconds repeated in every tick, so that a lost frame or a late count is mended.
TAIL_S = 15


@dataclass(frozen=True)
class Totals:
    """One moment: mail of the last 60 minutes, who reports, and the facts where they are known.

    `standing`: the alerts, of the facts or as the last round left them.
    """

    at: datetime
    hour: HourTotals
    nodes: Reporting
    facts: Facts | None = None
    backlog: Backlog = NOTHING_WAITS
    standing: Standing = NONE_STANDS

    @cached_property
    def sentence(self) -> Sentence:
        facts = self.facts
        return build_sentence(
            self.hour,
            self.nodes,
            facts.problems if facts else find_problems(self.standing),
            handled=facts.handled if facts else find_handled(self.standing),
            standing=self.standing,
            complete=facts.complete if facts else None,
            backlog=self.backlog,
            now=self.at,
        )

    @cached_property
    def incidents(self) -> OpenIncidents:
        return count_incidents(self.standing, self.at)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The overview's tiles; none while the facts are not known."""
        if self.facts is None:
            return ()
        return build_tiles(self.hour, self.nodes, self.facts, now=self.at)

    @property
    def has_mail(self) -> bool:
        return any([*self.hour.inbound.values(), *self.hour.outbound.values()])

    def as_json(self) -> dict[str, Any]:
        nodes = self.nodes
        return {
            "at": self.at.isoformat(),
            "hour": asdict(self.hour),
            "nodes": {
                "known": nodes.known,
                "reporting": nodes.reporting,
                "newest_sample_at": nodes.newest_sample_at and nodes.newest_sample_at.isoformat(),
            },
            "incidents": self.incidents.as_json(),
            "sentence": self.sentence.as_json(),
            "tiles": {
                tile.name: {"text": tile.text, "note": tile.note, "level": tile.level}
                for tile in self.tiles
            },
        }


def read_totals(facts: Facts | None = None) -> Totals:
    """Query what counters and the state line show, three times at most."""
    backlog = facts.backlog if facts else read_backlog()
    now = timezone.now()
    nodes = reporting(unstored=unstored(backlog, now))
    standing = facts.standing if facts else queries.standing(now)
    return Totals(now, hour_totals(), nodes, facts, backlog, standing)


def frame(tick: int, totals: dict[str, Any], seconds: Seconds, *, kind: str) -> dict[str, Any]:
    """Return one frame. `kind`: `snapshot` (all seconds of the window) or `tick` (the last few)."""
    # Text keys: the channel layer's msgpack refuses numbers, and takes the consumer down with it.
    by_name = {str(second): counts for second, counts in seconds.items()}
    return {"type": kind, "tick": tick, **totals, "seconds": by_name}

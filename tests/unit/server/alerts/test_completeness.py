"""Judgement of numbered events on the overview."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from server.alerts.present.problems import MissingEvents
from server.alerts.present.sentence import build_sentence
from server.alerts.present.tiles import completeness_tile
from server.ledger.queries import Completeness
from server.nodes.queries import Reporting
from server.rollups.mail.queries import HourTotals

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def epoch(*, missing=0, dropped=0, refused=0):
    return Completeness("mta-01", "e-1", 1, 99, 0, refused, NOON, NOON, missing, dropped, [], [])


@pytest.mark.parametrize(
    ("counts", "text", "note", "level"),
    [
        ({}, "complete", "", "ok"),
        ({"dropped": 3}, "complete", "3 dropped by agents", "warning"),
        ({"refused": 2}, "2 refused", "", "warning"),
        ({"refused": 2, "dropped": 3}, "2 refused", "3 dropped by agents", "warning"),
        ({"missing": 5, "refused": 2}, "5 missing", "2 refused", "warning"),
    ],
)
def test_what_is_refused_is_never_complete(counts, text, note, level):
    tile = completeness_tile([epoch(), epoch(**counts)])

    assert (tile.text, tile.note, tile.level) == (text, note, level)


def test_events_missing_from_a_key_of_no_node_are_said_to_be_that():
    nodes = Reporting(known=1, reporting=1, newest_sample_at=NOON)

    sentence = build_sentence(HourTotals(Counter(), Counter(), 0), nodes, [MissingEvents("", 3)])

    assert "3 events are missing from a key of no node" in sentence.text(NOON)

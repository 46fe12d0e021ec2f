"""The server judges itself first: what waits to be stored is neither missing nor complete."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.backlog import is_behind, judge_backlog, unstored
from server.alerts.present.problems import MissingEvents, OldMail
from server.alerts.present.sentence import build_sentence
from server.alerts.present.tiles import completeness_tile
from server.nodes.queries import Reporting
from server.observability.backlog import Backlog
from server.rollups.mail.queries import HourTotals

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NO_MAIL = HourTotals(dict.fromkeys(["received", "delivered"], 0), {"delivered": 0}, 0)
ALL_REPORT = Reporting(2, 2, NOW)
ONE_SILENT = Reporting(3, 2, NOW, (("mta-03", NOW - timedelta(minutes=20)),))


def ago(**span):
    return NOW - timedelta(**span)


def backlog(**fields):
    values = {
        "events": 200,
        "samples": 79,
        "oldest_at": ago(minutes=4),
        "worker_at": ago(seconds=2),
    }
    return Backlog(**values | fields)


DEAD = backlog(worker_at=ago(minutes=4))
BEHIND = backlog()


@pytest.mark.parametrize(
    ("waiting", "level"),
    [
        pytest.param(Backlog(), "ok", id="nothing waits, and no worker ever ran"),
        pytest.param(Backlog(worker_at=ago(hours=1)), "ok", id="nothing waits for a dead worker"),
        pytest.param(backlog(oldest_at=ago(seconds=3)), "ok", id="a moment is no backlog"),
        pytest.param(BEHIND, "warning", id="a worker runs and is behind"),
        pytest.param(DEAD, "critical", id="the worker is dead"),
        pytest.param(backlog(worker_at=None), "critical", id="no worker ever ran"),
        pytest.param(
            backlog(oldest_at=NOW, worker_at=ago(seconds=31)), "critical",
            id="what came just now waits for a dead worker too",
        ),
        pytest.param(Backlog(is_known=False), "critical", id="Redis does not answer"),
    ],
)  # fmt: skip
def test_storing_is_judged_by_the_worker_and_by_how_long_batches_wait(waiting, level):
    assert judge_backlog(waiting, NOW) == level
    assert is_behind(waiting, NOW) == (level != "ok")


@pytest.mark.parametrize(
    ("waiting", "nodes", "level", "text"),
    [
        (
            DEAD, ALL_REPORT, "critical",
            "279 batches wait to be stored: the worker has not run for 4 min",
        ),
        (
            backlog(worker_at=None, events=1, samples=0), ALL_REPORT, "critical",
            "1 batch waits to be stored: no worker has run yet",
        ),
        (
            BEHIND, ALL_REPORT, "warning",
            "279 batches wait to be stored, the oldest for 4 min",
        ),
        (
            backlog(apart=3), ALL_REPORT, "warning",
            "279 batches wait (3 were refused) to be stored, the oldest for 4 min",
        ),
        (
            DEAD, ONE_SILENT, "critical",
            "279 batches wait to be stored: the worker has not run for 4 min"
            " · 1 of 3 nodes silent: mta-03 for 20 min",
        ),
        (
            Backlog(is_known=False), ALL_REPORT, "critical",
            "Redis does not answer this server: nothing is accepted",
        ),
    ],
)  # fmt: skip
def test_the_sentence_begins_with_what_waits_and_says_nothing_of_mail_it_does_not_know(
    waiting, nodes, level, text
):
    sentence = build_sentence(NO_MAIL, nodes, complete=None, backlog=waiting, now=NOW)

    assert (sentence.level, sentence.text(NOW)) == (level, text)


def test_other_problems_are_named_after_what_waits():
    old = OldMail(ago(hours=25), 25 * 3600.0)

    sentence = build_sentence(NO_MAIL, ALL_REPORT, [old], backlog=BEHIND, now=NOW)

    assert sentence.level == "critical"
    assert sentence.text(NOW).endswith(" · 1 thing needs attention: mail waits for 1 d 1 h")


def test_completeness_is_not_known_while_batches_wait():
    tile = completeness_tile([], unstored=DEAD)

    assert (tile.text, tile.note, tile.level) == ("not known yet", "279 batches wait", "none")


def test_the_time_that_is_not_stored_is_that_of_the_oldest_batch_and_none_where_storing_keeps_up():
    assert unstored(DEAD, NOW) == timedelta(minutes=4)
    assert unstored(backlog(oldest_at=ago(seconds=3)), NOW) == timedelta()
    assert unstored(Backlog(is_known=False), NOW) == timedelta()


@pytest.mark.parametrize(
    ("nodes", "level"),
    [(ALL_REPORT, "ok"), (ONE_SILENT, "warning"), (Reporting(2, 0, NOW), "critical")],
)
def test_the_tile_of_the_nodes_is_as_severe_as_the_sentence(nodes, level):
    from server.alerts.nodes import judge_reporting

    mail = HourTotals({"received": 1}, {"sent": 1, "delivered": 1}, 0)

    assert judge_reporting(nodes) == build_sentence(mail, nodes).level == level


def test_old_mail_and_missing_events_are_as_severe_in_the_sentence_as_in_their_tiles():
    assert OldMail(ago(hours=3), 3 * 3600.0).level == "warning"
    assert OldMail(ago(hours=25), 25 * 3600.0).level == "critical"
    assert MissingEvents("mta-01", 3).level == "warning"

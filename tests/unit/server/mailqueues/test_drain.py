"""Drain of the mail queues by provider, and what is given up before they are empty."""

from datetime import timedelta

import pytest

from server.mailqueues.accounting import Reading, count_once
from server.mailqueues.drain import Drain, count_expiring, domains_of, forecast_drain
from server.metrics.mail_queue import MailQueue, OtherDestinations, QueueAge, QueueDestination
from tests.factories import NOW, RS0

HOUR = timedelta(hours=1)
BOUNDS = (3600, 14_400, 43_200, 86_400, 172_800, None)
GOOGLE = {"a.example": "google", "b.example": "google"}


def queue(at=NOW, *, others=0, of_count=None, expiries=(0,) * 6, database=RS0, **domains):
    """Return one database with so many waiting at each domain; `_` stands for a dot."""
    counts = {name.replace("_", "."): count for name, count in domains.items()}
    total = sum(counts.values())
    read = MailQueue(
        source="mongodb",
        zones=[],
        active_count=0,
        deferred_count=total,
        database=database,
        shares=[],
        destinations=[
            QueueDestination(name, [count], expiries=list(expiries))
            for name, count in counts.items()
        ],
        other_destinations=OtherDestinations(others, []),
        destinations_of_count=total if of_count is None else of_count,
        expiries=[QueueAge(up_to_s, 0) for up_to_s in BOUNDS],
    )
    reading = Reading("mta-01", at, read, timedelta(days=1), detail=(at, read))
    return count_once([reading], at)


def forecast(newest, earlier, providers=GOOGLE):
    return {each.provider: each for each in forecast_drain(newest, earlier, providers)}


def test_the_rate_is_of_all_domains_of_a_provider_and_net_of_what_comes():
    newest = queue(a_example=60, b_example=20, c_example=30)
    earlier = queue(NOW - 2 * HOUR, a_example=100, b_example=10, c_example=10)

    by_provider = forecast(newest, earlier)

    google = by_provider["google"]
    assert (google.waiting_count, google.drained_per_h) == (80, 15.0)
    assert google.empty_in_s == pytest.approx(80 / 15 * 3600)
    assert by_provider["c.example"].drained_per_h == -10.0
    assert by_provider["c.example"].empty_in_s is None


def test_providers_with_most_mail_come_first_and_those_without_any_are_left_out():
    newest = queue(a_example=5, c_example=9)
    earlier = queue(NOW - HOUR, a_example=5, c_example=9, d_example=4)

    assert [each.provider for each in forecast_drain(newest, earlier, GOOGLE)] == [
        "c.example",
        "google",
    ]


@pytest.mark.parametrize(
    ("newest", "earlier"),
    [
        pytest.param(queue(a_example=5), [], id="no earlier reading"),
        pytest.param(
            queue(a_example=5), queue(NOW - timedelta(minutes=5), a_example=9), id="too near"
        ),
        pytest.param(queue(a_example=5), queue(NOW - 4 * HOUR, a_example=9), id="too old"),
        pytest.param(
            queue(a_example=5), queue(NOW - HOUR, others=3, c_example=9),
            id="it may have been among the others",
        ),
        pytest.param(
            queue(a_example=5, of_count=4), queue(NOW - HOUR, a_example=9),
            id="a queue that is longer than is read",
        ),
        pytest.param(
            queue(a_example=5), queue(NOW - HOUR, a_example=9, database="another"),
            id="another queue",
        ),
        pytest.param(
            queue(a_example=5, b_example=5), queue(NOW - HOUR, others=1, a_example=9),
            id="known of one of its domains alone",
        ),
    ],
)  # fmt: skip
def test_without_two_comparable_readings_the_rate_is_not_known(newest, earlier):
    google = forecast(newest, earlier)["google"]

    assert (google.drained_per_h, google.empty_in_s, google.expiring_count) == (None, None, None)
    assert google.expiring_24h_count is not None


def test_of_what_is_given_up_before_the_queue_is_empty_each_recipient_counts_once():
    expiries = (10, 10, 10, 10, 10, 50)
    earlier = queue(NOW - HOUR, c_example=150)

    (drain,) = forecast_drain(queue(c_example=100, expiries=expiries), earlier, {})

    # Empty in two hours: the first bracket and a third of the next.
    assert drain == Drain("c.example", 100, 50.0, 7200.0, 13, 40)


def test_where_mail_does_not_drain_it_is_never_empty_and_what_expires_in_a_day_is_known():
    expiries = (1, 2, 3, 4, 5, 6)

    (drain,) = forecast_drain(
        queue(c_example=21, expiries=expiries), queue(NOW - HOUR, c_example=21), {}
    )

    assert (drain.drained_per_h, drain.expiring_count, drain.expiring_24h_count) == (0.0, None, 10)


def test_of_an_agent_of_an_earlier_version_expiries_are_not_known():
    newest = queue(c_example=10)
    newest[0].detail[1].destinations[0].expiries.clear()

    (drain,) = forecast_drain(newest, queue(NOW - HOUR, c_example=20), {})

    assert (drain.drained_per_h, drain.expiring_count, drain.expiring_24h_count) == (
        10.0, None, None,
    )  # fmt: skip


def test_queues_of_several_databases_are_added_up():
    newest = queue(a_example=5) + queue(database="another", b_example=7)
    earlier = queue(NOW - HOUR, a_example=10) + queue(NOW - HOUR, database="another", b_example=5)

    (google,) = forecast_drain(newest, earlier, GOOGLE)

    assert (google.waiting_count, google.drained_per_h) == (12, 3.0)
    assert domains_of(newest) == ["a.example", "b.example"]


@pytest.mark.parametrize(("within_s", "count"), [(0, 0), (1800, 5), (3600, 10), (10**9, 20)])
def test_recipients_of_a_bracket_are_taken_as_evenly_spread(within_s, count):
    expiries = [QueueAge(3600, 10), QueueAge(7200, 10), QueueAge(None, 10)]

    assert count_expiring(expiries, within_s) == count


@pytest.mark.parametrize("bounds", [[], [None, 5], [7200, 3600, None], [3600], [None, None]])
def test_brackets_that_make_no_sense_are_not_known(bounds):
    newest = queue(c_example=10, expiries=[1] * len(bounds))
    read = newest[0].detail[1]
    read.expiries[:] = [QueueAge(up_to_s, 0) for up_to_s in bounds]

    (drain,) = forecast_drain(newest, queue(NOW - HOUR, c_example=20), {})

    assert drain.expiring_24h_count is None

"""Generated mail of some days, and requests to the read API."""

import random
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client

from server.events.mapping import to_line
from server.rollups.levels import LEVELS, WIDER_LEVELS
from server.storage.transaction import write_events
from server.timescale import edition
from tests.factories import NOW, row

EVENTS_PER_DAY, ODD_EVENTS = 600, 400


@pytest.fixture
def at_now():
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def get_json(admin_client: Client, at_now):
    """Return a function that requests a path of /api/v1/ and returns the body of its 200."""

    def get(path, **query):
        reply = admin_client.get(f"/api/v1/{path}", query)
        assert reply.status_code == 200, reply.content
        return reply.json()

    return get


@pytest.fixture
def expect_refusal(admin_client: Client, at_now):
    """Return a function that requests a path of /api/v1/ and returns the body of its 400."""

    def get(path, **query):
        reply = admin_client.get(f"/api/v1/{path}", query)
        assert reply.status_code == 400, reply.content
        return reply.json()

    return get


@pytest.fixture(scope="module")
def scale_set(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Thirty days of the scale set's mail on 20 nodes, and some that the generator does not make.

    Committed once for the tests of a module, which only read. Ends before NOW, so that the levels
    and the raw rows are of the same events.
    """
    with django_db_blocker.unblock():
        try:
            with time_machine.travel(NOW, tick=False):
                fill_scale_set()
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE email_events, {', '.join(lv.table for lv in LEVELS)}")


def fill_scale_set() -> None:
    call_command(
        "fill", days=30, until=NOW, events_per_day=EVENTS_PER_DAY, nodes=20, seed=6,
        samples_every_s=0, stdout=StringIO(), stderr=StringIO(),
    )  # fmt: skip
    rng = random.Random(8)
    odd = []
    for _ in range(ODD_EVENTS):
        event_type = rng.choice(["sent", "delivered", "deferred", "bounced", "bounced"])
        odd.append(
            row(
                occurred_at=NOW - timedelta(minutes=rng.randrange(10, 29 * 24 * 60)),
                event_type=event_type,
                zone=rng.choice(["default", "bulk", None]),
                from_domain=rng.choice(["corp.example", None]),
                sending_ip=rng.choice(["192.0.2.10", None]),
                bounce_type=rng.choice(["hard", "soft", None]) if event_type == "bounced" else None,
                bounce_category=rng.choice(["recipient", "spam", None]),
                bounce_message="550 5.1.1 <someone@good.example> is unknown",
                delivery_time_ms=rng.choice([None, 0, 999, 1_000, 299_999, 300_000, 900_000]),
                message_size_bytes=rng.choice([None, 0, 9_999, 10_000, 25_000_000, 60_000_000]),
                certainty=rng.choice(["reported", "inferred"]),
            )
        )
    odd += [row(from_address="<>", from_domain=None, occurred_at=NOW - timedelta(hours=2))] * 2
    write_events([to_line(event) for event in odd])
    if edition.is_community(connection):  # late events are in these after the next refresh
        with connection.cursor() as cursor:
            for level in WIDER_LEVELS:
                cursor.execute(
                    "CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz)",
                    [level.table, NOW - timedelta(days=32), NOW + timedelta(days=2)],
                )


@pytest.fixture
def raw():
    """Return a function that queries raw rows: mail with a sender, of one direction and time."""

    def select(columns, answer, where="true", direction="outbound", tail=""):
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns} FROM email_events WHERE {where} AND direction = '{direction}'"
                " AND NOT (direction = 'outbound' AND from_address = '<>')"
                f" AND occurred_at >= '{answer['start']}' AND occurred_at < '{answer['end']}'"
                f" {tail}"
            )
            return cursor.fetchall()

    return select

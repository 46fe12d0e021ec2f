"""Generated mail of some days, and a reader who asks about it."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from server.events import generator
from server.events.mapping import to_line
from server.rollups.store import write_events
from tests.server.rollups.test_store import row

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
DAYS = 9


@pytest.fixture
def at_now():
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def ask(admin_client: Client, at_now):
    """Ask an endpoint of /api/v1/ and return the answer's body, which must be there."""

    def get(path, **query):
        reply = admin_client.get(f"/api/v1/{path}", query)
        assert reply.status_code == 200, reply.content
        return reply.json()

    return get


@pytest.fixture
def refused(admin_client: Client, at_now):
    """Ask an endpoint of /api/v1/ and return why it refuses."""

    def get(path, **query):
        reply = admin_client.get(f"/api/v1/{path}", query)
        assert reply.status_code == 400, reply.content
        return reply.json()

    return get


@pytest.fixture
def mail(db):
    """Days of generated mail, with more kinds of bounces, zones and addresses than the generator's.

    Ends before NOW, so that the level and the raw rows are of the same events.
    """
    rng = random.Random(8)
    rows = []
    for hour in generator.hours(NOW - timedelta(days=DAYS), NOW):
        for event in generator.hour_of_events(hour, events_per_hour=30, seed=6):
            if event["occurred_at"] < NOW:
                event["zone"] = rng.choice(["default", "bulk", None])
                if "sending_ip" in event:
                    event["sending_ip"] = f"192.0.2.{rng.randrange(10, 14)}"
                if event["event_type"] == "bounced":
                    event["bounce_type"] = rng.choice(["hard", "soft", None])
                    event["bounce_category"] = rng.choice(["recipient", "spam", None])
                if rng.random() < 0.05:
                    event["certainty"] = "inferred"
                rows.append(event)
    rows += [row(from_address="<>", from_domain=None, occurred_at=NOW - timedelta(hours=2))] * 2
    write_events([to_line(event) for event in rows])


@pytest.fixture
def raw():
    """Ask the raw rows, straightforwardly: mail with a sender, of one direction and time."""

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

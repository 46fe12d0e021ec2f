"""Times of a node whose clock is wrong: corrected by the `Date` of its requests, and both kept."""

import json
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from server.alerts.present import problems
from server.alerts.present.sentence import build_sentence
from server.ingest import writer
from server.mailqueues import queries as mailqueues
from server.nodes.models import ApiKey, Node
from server.nodes.queries import reporting
from server.rollups.mail.queries import HourTotals
from tests.factories import stored_events

pytestmark = pytest.mark.usefixtures("committing_database")

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NOWHERE = HourTotals({}, {}, 0)  # type: ignore[arg-type]


@pytest.fixture
def now(monkeypatch):
    """Stop the server's clock."""
    stopped = timezone.now().replace(microsecond=0)
    monkeypatch.setattr("django.utils.timezone.now", lambda: stopped)
    return stopped


@pytest.fixture
def send(post, now):
    """Post as an agent whose clock is `ahead` of the server's."""

    def send_body(path, body, ahead, **more):
        date = format_datetime(now + ahead, usegmt=True)
        return post(path, body, date=date, **more)

    return send_body


@pytest.fixture
def sample(golden):
    def make(kind, at, **readings):
        made = golden(f"metrics_{kind}.json") | {"timestamp": at.isoformat()}
        part = "queue" if kind == "zonemta" else kind
        made[part] |= readings
        return made

    return make


def times(rows):
    return [(row["occurred_at"], row["node_occurred_at"]) for row in rows]


@pytest.mark.parametrize(
    "ahead", [11 * MINUTE, -HOUR, 40 * SECOND, -31 * SECOND, 9 * HOUR, -365 * 24 * HOUR]
)
def test_an_event_by_a_wrong_clock_stands_at_its_true_time_beside_the_nodes_own(
    send, event, now, ahead
):
    happened_at = now - 20 * SECOND
    own = happened_at + ahead

    answer = send("events/ingest", [event(occurred_at=own.isoformat())], ahead)
    writer.drain_events()

    assert answer.json() == {"queued": 1, "rejected": []}
    assert times(stored_events()) == [(happened_at, own)]


@pytest.mark.parametrize("ahead", [5 * SECOND, -30 * SECOND, timedelta()])
def test_what_the_way_of_a_request_may_take_is_no_wrong_clock(send, event, now, ahead):
    own = now - MINUTE + ahead

    send("events/ingest", [event(occurred_at=own.isoformat())], ahead)
    writer.drain_events()

    assert times(stored_events()) == [(own, None)]


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_a_proxy_that_drops_or_replaces_date_leaves_the_clock_of_the_agent(post, event, now, date):
    own = now + 11 * MINUTE
    others = {} if date is None else {"date": date or format_datetime(now, usegmt=True)}
    others["mallard-date"] = format_datetime(own, usegmt=True)

    answer = post("events/ingest", [event(occurred_at=own.isoformat())], **others)
    writer.drain_events()

    assert times(stored_events()) == [(now, own)]
    assert parsedate_to_datetime(answer.headers["Mallard-Date"]) == now


def test_an_agent_that_sends_no_clock_is_judged_by_the_times_in_its_events(post, event, now):
    events = [event(occurred_at=(now + offset).isoformat()) for offset in (11 * MINUTE, -HOUR)]

    (refusal,) = post("events/ingest", events).json()["rejected"]
    writer.drain_events()

    assert (refusal["index"], refusal["code"]) == (0, "time_ahead")
    assert times(stored_events()) == [(now - HOUR, None)]


def test_a_program_that_forwards_events_of_others_has_no_clock_to_correct_them_by(
    send, event, now, node
):
    key = ApiKey.issue(name="hook", scope=ApiKey.Scope.WEBHOOK, node=node)[1]

    send("events/ingest", [event(occurred_at=now.isoformat())], -HOUR, key=key)
    writer.drain_events()

    assert times(stored_events()) == [(now, None)]


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"]
)
def test_a_date_that_makes_no_sense_costs_nobody_else(post, event, now, date):
    assert post("events/ingest", [event()], date=date).status_code in (202, 422)
    assert post("events/ingest", [event()]).status_code == 202


def test_a_batch_that_comes_again_gets_the_same_times(send, event, sample, now):
    """The network takes its time, so no two requests show quite the same skew."""
    ahead = 11 * MINUTE
    same = event(occurred_at=(now + ahead).isoformat())
    reading = sample("redis", now + ahead)

    for late in (timedelta(), -3 * SECOND, 2 * SECOND):
        send("events/ingest", [same], ahead + late)
        send("metrics/redis", [reading], ahead + late)
        writer.drain_events()
        writer.drain_samples()

    assert times(stored_events()) == [(now, now + ahead)]
    assert read("SELECT time FROM metrics_redis") == [(now,)]


@pytest.mark.parametrize("ahead", [-HOUR, 9 * HOUR, 11 * MINUTE])
@pytest.mark.parametrize("is_set", [True, False])
def test_a_numbered_batch_that_comes_again_with_the_clock_set_meanwhile_is_stored_once(
    send, event, now, ahead, is_set
):
    own = now - 10 * HOUR + ahead
    batch = {"epoch": "e-1", "first_seq": 1, "events": [event(occurred_at=own.isoformat())]}

    for skew in (ahead, timedelta()) if is_set else (timedelta(), ahead):
        send("events/ingest", batch, skew)
        writer.drain_events()

    assert len(stored_events()) == 1
    assert read("SELECT sum(events) FROM email_stats_1m WHERE dimension = 'all'") == [(1,)]


@pytest.mark.parametrize("ahead", [-HOUR, 9 * HOUR, 11 * MINUTE])
def test_events_of_a_wrong_clock_that_are_sent_first_after_it_was_set_stand_at_their_true_times(
    send, event, now, ahead
):
    own = now - 20 * MINUTE + ahead
    batch = {"epoch": "e-1", "first_seq": 1, "events": [event(occurred_at=own.isoformat())]}
    set_ms = -ahead // timedelta(milliseconds=1)

    send("events/ingest", batch | {"clock_set_ms": set_ms}, timedelta())
    writer.drain_events()

    assert times(stored_events()) == [(now - 20 * MINUTE, own)]


def test_a_clock_that_was_set_to_another_wrong_time_is_corrected_by_both(send, event, now):
    own = now - 20 * MINUTE + 9 * HOUR
    batch = {"epoch": "e-1", "first_seq": 1, "events": [event(occurred_at=own.isoformat())]}
    set_ms = -10 * HOUR // timedelta(milliseconds=1)

    send("events/ingest", batch | {"clock_set_ms": set_ms}, -HOUR)
    writer.drain_events()

    assert times(stored_events()) == [(now - 20 * MINUTE, own)]


def test_a_setting_of_the_clock_that_makes_no_sense_is_400(send, event):
    batch = {"epoch": "e-1", "first_seq": 1, "events": [event()], "clock_set_ms": 2**60}

    assert send("events/ingest", batch, timedelta()).status_code == 400


def test_a_corrected_report_takes_the_place_of_an_inferred_outcome(send, event, now):
    inferred, report = str(uuid4()), str(uuid4())
    guess = event(event_id=inferred, source="change_stream", certainty="inferred")
    known = event(event_id=report, event_type="bounced", replaces=inferred)
    ahead = 11 * MINUTE
    own = {"occurred_at": (now + ahead).isoformat()}

    for batch in ([guess | own], [known | own], [guess | own]):
        send("events/ingest", batch, ahead)
        writer.drain_events()

    assert [row["event_type"] for row in stored_events()] == ["bounced"]


@pytest.mark.parametrize("ahead", [11 * MINUTE, -HOUR])
def test_samples_by_a_wrong_clock_stand_at_their_true_times_with_all_that_is_in_them(
    send, sample, now, ahead
):
    queue = sample("zonemta", now + ahead, oldest_created_at=(now - HOUR + ahead).isoformat())

    assert send("metrics/zonemta", [queue], ahead).json()["rejected"] == []
    writer.drain_samples()

    (reading,) = mailqueues.newest_readings(now)
    assert (reading.at, reading.queue.oldest_created_at) == (now, now - HOUR)
    assert not reading.is_stale(now)
    assert reading.is_stale(now + 5 * MINUTE)


@pytest.mark.parametrize("skew", [(11 * MINUTE, "11 min ahead"), (-HOUR, "1 h behind")])
def test_a_wrong_clock_is_named_on_the_overview_and_on_the_nodes_page(
    send, sample, now, skew, admin_client
):
    ahead, words = skew
    send("metrics/system", [sample("system", now + ahead)], ahead)
    send("metrics/agent", [sample("agent", now + ahead)], ahead)
    writer.drain_samples()

    facts = problems.read_facts(now)
    sentence = build_sentence(NOWHERE, reporting(), facts.problems)
    page = admin_client.get(reverse("node-page", args=["mta-01"])).content.decode()

    assert f"the clock of mta-01 is {words}" in sentence.text(now)
    assert problems.WrongClock("mta-01", ahead.total_seconds()).as_json() in [
        problem.as_json() for problem in facts.problems
    ]
    assert f"{words} {'of ' if ahead > timedelta() else ''}the server" in page.replace(
        "&#x27;", "'"
    )
    assert "the server corrects its times" in page


def test_a_clock_that_was_set_is_named_no_more(send, sample, now):
    for ahead in (11 * MINUTE, timedelta()):
        send("metrics/system", [sample("system", now + ahead)], ahead)
        writer.drain_samples()

    assert Node.objects.get().clock_ahead_ms == 0
    assert problems.read_facts(now).problems == []


def test_the_page_and_the_answer_about_an_event_show_both_times(send, event, now, admin_client):
    same = str(uuid4())
    own = now + 11 * MINUTE
    send("events/ingest", [event(event_id=same, occurred_at=own.isoformat())], 11 * MINUTE)
    writer.drain_events()

    page = admin_client.get(reverse("event", args=[same])).content.decode()
    answer = json.loads(admin_client.get(f"/api/v1/email/events/{same}").content)

    assert "Corrected time" in page
    assert own.isoformat() in page
    assert datetime.fromisoformat(answer["occurred_at"]) == now
    assert datetime.fromisoformat(answer["node_occurred_at"]) == own


def read(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()

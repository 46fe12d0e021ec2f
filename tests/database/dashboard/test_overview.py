"""The overview as the server paints it, and the facts its script fetches again."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from msgspec import structs

from server.alerts.present.problems import find_problems, read_facts
from server.alerts.present.standing import NONE_STANDS, build_glance, step_standing
from server.alerts.present.tiles import queue_tile
from server.events.mapping import to_line
from server.formats import UNKNOWN
from server.ledger.models import Epoch
from server.mailqueues.accounting import Reading, count_once
from server.nodes.models import Node
from server.storage.transaction import write_events
from tests.factories import NOW, mail_queue, row, write_mail
from tests.page import Page

pytestmark = pytest.mark.django_db


@pytest.fixture
def reporting_node() -> Node:
    return Node.objects.create(name="mta-01", last_seen_at=timezone.now())


@pytest.fixture
def page(admin_client):
    def get() -> Page:
        return Page(admin_client.get("/").content.decode())

    return get


@pytest.fixture
def facts(admin_client):
    return lambda: admin_client.get("/overview/facts").json()


def test_it_is_painted_with_numbers(page, reporting_node):
    Node.objects.create(name="mta-02", last_seen_at=timezone.now() - timedelta(minutes=5))
    write_mail(
        ("outbound", "sent", 1200), ("outbound", "delivered", 97), ("outbound", "bounced", 3)
    )

    html = page()

    assert html.tile("nodes") == ("1 / 2", "1 silent")
    assert html.tile("sent") == ("1,200", "")
    assert html.tile("delivered")[0] == "97.0 %"
    assert html.tile("bounced")[0] == "3.0 %"
    assert html.tile("complete")[0] == "not known"
    assert html.tile("queue") == (UNKNOWN, "no queue was read")


def test_sent_is_compared_with_the_same_hour_of_yesterday(page, reporting_node):
    write_mail(("outbound", "sent", 130))
    yesterday = timezone.now() - timedelta(days=1, minutes=20)
    write_events([to_line(row(event_type="sent", occurred_at=yesterday)) for _ in range(100)])

    assert page().tile("sent") == ("130", "▲ 30 % against yesterday")


def test_a_destination_that_defers_is_named_with_its_words_and_since_when(
    page, facts, reporting_node
):
    write_mail(("outbound", "delivered", 50))
    started = timezone.now() - timedelta(minutes=37)
    write_events(
        [
            to_line(
                row(
                    event_type="deferred",
                    to_domain="outlook.example",
                    occurred_at=started + timedelta(minutes=minutes),
                    status_message="451 4.7.500 Server busy",
                )
            )
            for minutes in range(0, 36, 3)
        ]
    )

    (found,) = facts()["findings"]
    since = started.replace(minute=started.minute // 5 * 5, second=0, microsecond=0)
    assert found == {
        "kind": "destination",
        "domain": "outlook.example",
        "verb": "defers",
        "since": since.isoformat(),
        "words": "451 4.7.500 Server busy",
    }
    assert page().sentence == (
        "1 node reports, mail flows · 1 thing needs attention: "
        f"outlook.example defers since {since:%H:%M} (451 4.7.500 Server busy)"
    )


def test_a_few_deferrals_among_many_deliveries_need_nobody_but_are_listed(facts, reporting_node):
    write_mail(("outbound", "delivered", 50), ("outbound", "deferred", 12), to_domain="a.example")
    write_mail(("outbound", "deferred", 9), to_domain="b.example")  # too few to judge

    answer = facts()

    assert answer["findings"] == []
    assert [(d["domain"], d["since"]) for d in answer["destinations"]] == [
        ("a.example", None),
        ("b.example", None),
    ]
    assert answer["destinations"][0]["failed_percent"] == "19.4 %"


def test_missing_events_are_reported_and_green_says_that_data_is_complete(page, reporting_node):
    write_mail(("outbound", "delivered", 1))
    now = timezone.now()
    epoch = Epoch.objects.create(
        node="mta-01",
        epoch="e",
        first_seq=1,
        received="{[1,101)}",
        dropped="{}",
        first_received_at=now,
        last_received_at=now,
    )
    assert page().sentence == "1 node reports, mail flows, data complete"
    assert page().tile("complete")[0] == "complete"

    Epoch.objects.filter(pk=epoch.pk).update(received="{[1,51),[61,101)}")

    assert page().tile("complete")[0] == "10 missing"
    assert page().sentence.endswith("1 thing needs attention: 10 events are missing from mta-01")


def test_stopped_programs_full_disks_and_closed_ports_are_named(
    page, facts, reporting_node, store_sample
):
    Node.objects.filter(pk=reporting_node.pk).update(role="wildduck rspamd")
    store_sample("system", ago=timedelta(seconds=15), disk_used_percent=50.0)
    assert facts()["findings"] == []  # one sample shows a restart as well

    store_sample("system", disk_used_percent=97.0, file_systems=None)

    assert [each["kind"] for each in facts()["findings"]] == ["program", "disk"]
    assert page().sentence == (
        "1 node reports, no mail in the last 60 minutes · 2 things need attention: "
        "Rspamd and WildDuck stopped on mta-01 · the disk of mta-01 is 97 % full"
    )


def test_a_port_is_closed_only_where_it_was_open_before(facts, reporting_node, store_sample):
    def store(ago, *open_ports):
        answers = {f"port_{port}": port in open_ports for port in (587, 12080)}
        store_sample("system", ago=timedelta(seconds=ago), services=answers)

    def closed():
        return [each["text"] for each in facts()["findings"] if each["kind"] == "ports"]

    store(60)
    store(45)
    assert closed() == []  # defaults of the role, and this node has others

    store(30, 587)
    store(15)
    assert closed() == []
    store(0)
    assert closed() == ["port 587 closed on mta-01"]


@pytest.mark.parametrize("change", [{"in_maintenance": True}, {"retired_at": timezone.now()}])
def test_problems_of_nodes_nobody_watches_are_not_named(
    facts, reporting_node, store_sample, change
):
    store_sample("system", disk_used_percent=97.0, file_systems=None)
    Node.objects.filter(pk=reporting_node.pk).update(**change)

    assert facts()["findings"] == []


def test_what_a_silent_node_said_last_is_not_named_beside_its_silence(
    page, facts, reporting_node, store_sample
):
    store_sample("system", ago=timedelta(minutes=5), disk_used_percent=97.0, file_systems=None)
    Node.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))

    assert facts()["findings"] == []
    assert page().sentence == "The only node is silent: mta-01 for 5 min"


def test_the_minute_so_far_is_compared_with_as_much_of_the_same_minute_yesterday():
    with time_machine.travel(NOW, tick=False):  # 10 s into its minute
        yesterday = NOW.replace(second=0) - timedelta(days=1)
        for at, count in (
            (yesterday, 60),
            (yesterday - timedelta(minutes=1), 4),
            (yesterday - timedelta(minutes=60), 5),
            (yesterday - timedelta(minutes=61), 1000),
        ):
            write_events([to_line(row(event_type="sent", occurred_at=at)) for _ in range(count)])

        assert read_facts(NOW).sent_yesterday == 10 + 4 + 5


def test_the_facts_are_for_those_who_are_logged_in(client):
    assert client.get("/overview/facts").status_code == 302


def queues(*, waits_for=timedelta(minutes=3), read_ago=timedelta(seconds=5)):
    whole = mail_queue("mta-01", mta_01=1234)
    whole = structs.replace(whole, oldest_created_at=NOW - waits_for)
    at = NOW - read_ago
    return count_once([Reading("mta-01", at, whole, timedelta(seconds=90), (at, whole))], NOW)


def judge(databases):
    tile = queue_tile(databases, NOW)
    return tile.text, tile.note, tile.level


def problems(databases):
    glance = build_glance(NOW, queues=databases)
    return find_problems(step_standing(NONE_STANDS, glance), glance)


def test_mail_that_waits_for_long_needs_somebody():
    young, old = queues(), queues(waits_for=timedelta(hours=3, minutes=12))

    assert judge(young) == ("1,234", "oldest 3 min", "ok")
    assert judge(old) == ("1,234", "oldest 3 h 12 min", "warning")
    assert problems(young) == []
    (problem,) = problems(old)
    assert problem.as_json() == {"kind": "queue", "oldest_s": 11520}


def test_stranded_mail_needs_somebody():
    whole = mail_queue("mta-01", mta_01=5, mta_98=2, mta_99=1)
    at = NOW - timedelta(seconds=5)
    databases = count_once([Reading("mta-01", at, whole, timedelta(seconds=90), (at, whole))], NOW)

    assert judge(databases)[2] == "critical"
    (problem,) = problems(databases)
    assert problem.as_json() == {"kind": "stranded", "count": 3, "instances": ("mta-98", "mta-99")}


def test_a_queue_that_is_not_read_any_more_is_stale_which_is_a_warning_whatever_its_age_was():
    stale = queues(waits_for=timedelta(hours=3), read_ago=timedelta(minutes=4))

    assert judge(stale) == ("1,234", "stale: read 4 min ago", "warning")
    assert problems(stale) == []

"""Hostile input: into every field of an event, every parameter of a page.

It may be refused or accepted; nothing may break, and what was accepted must be stored. Beside
tests/database/test_fuzz.py, which makes its values up from the API's description.
"""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import msgspec
import pytest
from django.urls import URLPattern, reverse
from django.utils import timezone

from server.alerts.backlog import Backlog
from server.alerts.blocks.evaluation import evaluate as evaluate_blocks
from server.alerts.evaluator.rounds import run_round
from server.alerts.present.problems import read_facts
from server.dashboard import urls as pages
from server.events.wire import Event
from server.ingest import writer
from server.ingest.inbox import EVENTS
from server.ingest.inbox import SAMPLES as SAMPLES_INBOX
from server.ingest.models import DeadLetter
from server.live import messages
from server.metrics.wire import SAMPLES
from server.nodes.models import ApiKey, Node
from server.rollups.mail import details
from tests.factories import stored_events

#: JSON texts, because some of these Python would not write.
HOSTILE_JSON = [
    json.dumps("'; DROP TABLE nodes_node; --"),
    json.dumps("</script><script>alert(1)</script>"),
    json.dumps("a\x00b"),
    r'"\ud800"',
    r'"\udfff\ud800 wrong way round"',
    json.dumps("\r\nSet-Cookie: role=admin"),
    json.dumps("\x1b[2J\x07\x7f\x9b"),
    json.dumps("\\.\n\\N\t\\x00"),
    json.dumps("\u202egnp.exe"),
    json.dumps('=cmd|"/c calc"!A1'),
    json.dumps("{{ 7 * 7 }}${7*7}%s%n"),
    json.dumps("../../../../etc/passwd"),
    json.dumps("١٢٣"),
    json.dumps("İ" * 300),
    json.dumps("x" * 70_000),
    json.dumps(""),
    "9" * 400,
    "-1",
    "2147483648",
    "9223372036854775808",
    "1e400",
    "-0.0",
    "NaN",
    "true",
    "null",
    "{}",
    '[["a"], 1]',
    "[" * 200 + "]" * 200,
    json.dumps("0000-00-00T00:00:00Z"),
    json.dumps("9999-12-31T23:59:59.999999+14:00"),
    json.dumps("::ffff:1.2.3.4%eth0"),
    json.dumps("00000000-0000-0000-0000-000000000000"),
]
HOSTILE_TEXTS = [
    "'; DROP TABLE nodes_node; --",
    "</script><script>alert(1)</script>",
    "a\x00b",
    "\r\nSet-Cookie: role=admin",
    "٣",
    "-1",
    "9" * 400,
    "1e400",
    "nan",
    "9999-12-31T23:59:59.999999+14:00",
    "0001-01-01T00:00:00Z",
    "%00%ff",
    "../../etc/passwd",
    "\u202e" + "ﷺ" * 200,
    "x" * 5_000,
    "{{ 7 * 7 }}%(name)s",
    "fe80::1%eth0",
]
HOSTILE_NAMES = [
    "a\n",
    "\n",
    "a\nb",
    "a\tb",
    "\u2028",
    "\u202egnp",
    "\x1b[2J",
    " ",
    ".",
    "..",
    "a/b",
    "?",
    "#",
]
HOSTILE_READINGS = [
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999-14:00",
    "</script><script>alert(1)</script>",
    "\u202egnp.exe\x1b[2J",
    -1,
    0,
    2**53,
    2**63,
    1e308,
    True,
    None,
    [],
    {},
]
QUESTIONS = (
    "after", "direction", "domain", "event_type", "from", "kind", "metric", "node", "order", "page",
    "q", "range", "reading", "reason", "role", "sending_ip", "sort", "status_code", "theme", "to",
    "zone",
)  # fmt: skip
PROFILE_HREF = re.compile(r'href="(/email/[^"]*/named/\?[^"]*)"')
TEXT_FIELDS = (
    "message_id", "queue_id", "queue_seq", "from_address", "from_user", "from_domain", "mx_host",
    "status_message", "bounce_category", "bounce_message", "zone", "auth_user", "tls",
)  # fmt: skip
FIELDS = [field.encode_name for field in msgspec.structs.fields(Event)]


@pytest.mark.usefixtures("committing_database")
@pytest.mark.parametrize("field", FIELDS)
def test_any_value_in_a_field_is_refused_or_stored_and_never_breaks_the_writer(field, post):
    queued = 0
    for hostile in HOSTILE_JSON:
        event = {
            "event_id": str(uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(),
            "event_type": "delivered",
            "direction": "outbound",
            "mta_node": "mta-01",
        }
        event.pop(field, None)
        body = json.dumps([event])[:-2] + f', "{field}": {hostile}}}]'

        answer = post("events/ingest", body.encode())

        assert answer.status_code in (202, 400, 403, 413, 422), (hostile[:80], answer.content)
        if answer.status_code == 202:
            queued += answer.json()["queued"]

    writer.drain_events()
    assert EVENTS.length() == 0
    assert not DeadLetter.objects.exists()
    # Two of the same id are one.
    assert queued - 1 <= len(stored_events()) <= queued


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"\xff\xfe", b"\xef\xbb\xbf{]", b"[{}]" * 10, b'{"events": {}}', b"[1, null]",
        b'{"epoch": "e", "first_seq": -1, "events": []}',
        b'{"epoch": "e", "first_seq": 9223372036854775808, "events": [{}]}',
        b'{"epoch": {}, "first_seq": "1", "events": 5}', b'{"a": ' * 5_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["events/ingest", "metrics/system", "metrics/redis", "nodes"])
@pytest.mark.django_db
def test_a_body_that_is_none_is_refused_with_a_reason(path, body, post):
    answer = post(path, body)

    assert 400 <= answer.status_code < 500
    assert answer.json()


def hostile_samples(golden):
    """The golden sample of each kind, once for each hostile value, which stands everywhere."""
    now = datetime.now(UTC).isoformat()
    for kind in SAMPLES:
        for value in HOSTILE_READINGS:
            sample = golden(f"metrics_{kind}.json")
            yield kind, replace_leaves(sample, value) | {"node_id": "mta-01", "timestamp": now}
            for name, readings in sample.items():
                if isinstance(readings, dict):
                    for field in readings:
                        changed = sample | {name: readings | {field: value}}
                        yield kind, changed | {"node_id": "mta-01", "timestamp": now}


def replace_leaves(value, leaf):
    if isinstance(value, dict):
        return {key: replace_leaves(each, leaf) for key, each in value.items()}
    return [replace_leaves(each, leaf) for each in value] if isinstance(value, list) else leaf


@pytest.mark.usefixtures("committing_database")
def test_no_sample_breaks_the_writer_a_page_or_the_live_tick(golden, post, admin_client):
    by_kind = defaultdict(list)
    for number, (kind, sample) in enumerate(hostile_samples(golden)):
        # Of different times: the second sample of one time would be the first one's repetition.
        at = datetime.now(UTC) - timedelta(seconds=number)
        by_kind[kind].append(sample | {"timestamp": at.isoformat()})
    for kind, samples in by_kind.items():
        assert post(f"metrics/{kind}", samples).status_code in (202, 422), kind

    writer.drain_samples()

    assert SAMPLES_INBOX.length() == 0
    assert not DeadLetter.objects.exists()
    for path in ("/nodes/named/mta-01/", *plain_pages()):
        assert admin_client.get(path).status_code < 500, path
    for kind in SAMPLES:
        answer = admin_client.get(f"/api/v1/nodes/mta-01/metrics?kind={kind}&range=1h")
        assert answer.status_code < 500, (kind, answer.content)
    totals = messages.read_totals(read_facts(timezone.now()))
    json.dumps(messages.frame(1, totals.as_json(), {}, kind="tick"), allow_nan=False)


@pytest.mark.usefixtures("committing_database")
def test_no_text_of_an_event_breaks_a_profile_a_round_or_a_look_for_blocks(post, admin_client):
    now = timezone.now()
    events = [
        dict.fromkeys(TEXT_FIELDS, text)
        | {
            "event_id": str(uuid4()),
            "occurred_at": (now - timedelta(minutes=2)).isoformat(),
            "event_type": kind,
            "direction": "outbound",
            "to_address": address,
        }
        for text in (*HOSTILE_TEXTS, *HOSTILE_NAMES, "a&b=c#d", "//evil.example", "Others", "\\N")
        for kind in ("bounced", "deferred", "delivered")
        for address in (f"user@{text}", f"{text}@x.example")
    ]
    assert post("events/ingest", events).json()["rejected"] == []
    writer.drain_events()
    details.count_all(now)

    run_round(now, backlog=Backlog(), is_forced=True)
    evaluate_blocks(now)

    assert not DeadLetter.objects.exists()
    for path in plain_pages():
        answer = admin_client.get(path)
        assert answer.status_code in (200, 301, 302, 404, 405), path
        for href in set(
            re.findall(r'href="(/email/[^"]*/named/\?[^"]*)"', answer.content.decode())
        ):
            assert admin_client.get(unescape(href)).status_code == 200, href


@pytest.mark.usefixtures("committing_database")
def test_no_name_of_a_node_breaks_a_page(golden, post, event, admin_client):
    _, key = ApiKey.issue(name="roll-out", scope="agent")
    now = datetime.now(UTC).isoformat()
    for name in (*HOSTILE_NAMES, *HOSTILE_TEXTS):
        for path, body in {
            "nodes": golden("node.json") | {"node_id": name},
            "metrics/redis": golden("metrics_redis.json") | {"node_id": name, "timestamp": now},
            "events/ingest": [event(mta_node=name)],
        }.items():
            assert post(path, body, key=key).status_code < 500, (path, name)
    writer.drain_samples()
    writer.drain_events()

    for path in plain_pages():
        assert admin_client.get(path).status_code in (200, 301, 302, 404, 405), path
    nodes = Node.objects.all()
    assert len(nodes) > 10
    for node in nodes:
        assert admin_client.get(reverse("node-page", args=[node.name])).status_code == 200
    assert admin_client.get("/api/v1/nodes").status_code == 200


def plain_pages():
    """Return the paths of all pages without an argument."""
    return [
        "/" + str(each.pattern)
        for each in pages.urlpatterns
        if isinstance(each, URLPattern) and "<" not in str(each.pattern)
    ]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.django_db
def test_no_question_breaks_a_page(text, admin_client):
    # A page that raises raises here.
    for path in plain_pages():
        answer = admin_client.get(path, dict.fromkeys(QUESTIONS, text))
        assert answer.status_code < 500, path
    # Where one wrong answer could hide the next.
    for path in ("/events/", "/nodes/compare/"):
        for question in QUESTIONS:
            assert admin_client.get(path, {question: text}).status_code < 500, (path, question)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.django_db
def test_no_question_breaks_the_search_of_the_api(text, admin_client):
    for question in (*QUESTIONS, "message_id", "to_address", "mta_node", "mx_host"):
        answer = admin_client.get("/api/v1/email/events", {question: text, "limit": "5"})
        assert answer.status_code in (200, 400), (question, answer.content)


@pytest.mark.usefixtures("committing_database")
def test_the_zone_of_an_address_stays_on_its_node(post, event):
    post("events/ingest", [event(client_ip="fe80::1%eth0", sending_ip_v6="2001:db8::1%3")])

    writer.drain_events()

    (stored,) = stored_events()
    assert (str(stored["client_ip"]), str(stored["sending_ip_v6"])) == ("fe80::1", "2001:db8::1")


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.django_db
def test_no_key_and_no_header_breaks_the_endpoint(text, client):
    seen = text.encode("utf-8", "surrogateescape").decode("latin-1")
    for name in ("authorization", "x-api-key", "x-request-id", "x-forwarded-for", "content-length"):
        value = f"Bearer {seen}" if name == "authorization" else seen
        answer = client.post(
            "/api/v1/events/ingest", b"[]", content_type="application/json", headers={name: value}
        )
        assert 400 <= answer.status_code < 500, name

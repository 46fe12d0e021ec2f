"""Hostile input: into every field of an event, every parameter of a page.

It may be refused or accepted; nothing may break, and what was accepted must be stored. Beside
tests/database/test_fuzz.py, which makes its values up from the API's description.
"""

import json
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
from django.urls import URLPattern

from server.dashboard import urls as pages
from server.events.wire import Event
from server.ingest import writer
from server.ingest.inbox import EVENTS
from server.ingest.models import DeadLetter
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
QUESTIONS = (
    "after", "direction", "domain", "event_type", "from", "kind", "metric", "node", "order", "page",
    "q", "range", "reading", "reason", "role", "sending_ip", "sort", "status_code", "theme", "to",
    "zone",
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


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.django_db
def test_no_question_breaks_a_page(text, admin_client):
    # A page that raises raises here.
    paths = [
        "/" + str(each.pattern)
        for each in pages.urlpatterns
        if isinstance(each, URLPattern) and "<" not in str(each.pattern)
    ]
    for path in paths:
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

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from server.events.columns import NAMES
from server.events.mapping import NULL, Context, copy_line
from server.events.outcomes import FACTS, NO_FACTS, find_facts
from server.events.replies import fingerprint

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTEXT = Context.at(NOW, node="mta-01", retention=timedelta(days=30))
REPLY = "550 5.7.1 Mail from [192.0.2.7] refused: part of its network is on our block list (S3150)"
REFUSED = {
    "direction": "outbound",
    "event_type": "bounced",
    "mx_host": "outlook-com.olc.protection.outlook.com",
    "to_domain": "outlook.example",
    "status_code": 550,
    "category": "blacklist",
    "reply": REPLY,
}


def stored(**fields):
    """Return the last columns of an event as it arrives."""
    event = {
        "event_id": "0192e1c4-0000-7000-8000-000000000001",
        "occurred_at": NOW.isoformat(),
        "event_type": "bounced",
        "direction": "outbound",
        "to_address": "a@outlook.example",
    } | fields
    values = copy_line(msgspec.json.encode(event), CONTEXT).split("\t")
    return dict(zip(NAMES, values, strict=True))


def test_a_refusal_has_an_operator_a_class_and_a_fingerprint():
    assert find_facts(**REFUSED) == (
        "Microsoft consumer", "reputation", fingerprint(REPLY),
    )  # fmt: skip


def test_replies_that_differ_in_an_ip_have_one_fingerprint():
    other = find_facts(**REFUSED | {"reply": REPLY.replace("192.0.2.7", "203.0.113.99")})

    assert other == find_facts(**REFUSED)


def test_what_was_delivered_has_an_operator_alone():
    assert find_facts(**REFUSED | {"event_type": "delivered"}) == ("Microsoft consumer", None, None)


@pytest.mark.parametrize("other", [{"direction": "inbound"}, {"event_type": "sent"}])
def test_mail_that_comes_in_or_was_not_tried_yet_has_no_facts(other):
    assert find_facts(**REFUSED | other) == NO_FACTS


def test_without_an_mx_the_domain_of_the_recipient_is_the_operator():
    assert find_facts(**REFUSED | {"mx_host": None, "to_domain": "mail.corp.example"})[0] == (
        "corp.example"
    )


def test_a_refusal_without_words_has_a_class_and_no_fingerprint():
    facts = find_facts(**REFUSED | {"reply": " ", "category": None})

    assert facts == ("Microsoft consumer", "unknown", None)


@pytest.mark.parametrize(
    "mx_host", ["a b.example", "x\ty", "\0", "\uff3cn.example", "\u202e.example"]
)
def test_what_is_no_name_of_dns_names_no_operator(mx_host):
    assert find_facts(**REFUSED | {"mx_host": mx_host})[0] == "outlook.example"


def test_the_server_sets_the_columns_of_facts_whatever_was_sent():
    sent = {"mx_host": "mx.google.com", "provider": "Elsewhere", "bounce_class": "x", "reply": "y"}

    values = stored(**sent, reply_fingerprint="z", bounce_message=REPLY)

    assert [values[name] for name in FACTS] == ["Google", "reputation", fingerprint(REPLY)]
    first = NAMES.index(FACTS[0])
    assert NAMES[first : first + len(FACTS)] == FACTS


def test_an_inbound_event_has_none_of_them_whatever_was_sent():
    values = stored(direction="inbound", provider="Elsewhere", bounce_class="x")

    assert [values[name] for name in FACTS] == [NULL] * 3

"""Counts by provider, class, account and the pairs, and the filters of them."""

from datetime import timedelta

import pytest

from server.rollups.mail import details
from tests.databases import empty_hypertables
from tests.factories import NOW, row, write

pytestmark = pytest.mark.django_db
REPLY = "550 5.7.1 Blocked 192.0.2.7"
AT = NOW - timedelta(hours=2)
OUTLOOK = {
    "provider": "Microsoft 365", "sending_ip": "192.0.2.7", "account": "a@corp.example",
    "to_domain": "one.example", "occurred_at": AT,
}  # fmt: skip
REFUSED = OUTLOOK | {
    "event_type": "bounced", "bounce_class": "policy", "reply_fingerprint": "0123456789abcdef",
    "to_domain": "two.example",
}  # fmt: skip
GOOGLE = OUTLOOK | {"provider": "Google", "sending_ip": "192.0.2.8", "to_domain": "gmail.example"}


@pytest.fixture(scope="module", autouse=True)
def stored(django_db_setup, django_db_blocker):
    """Committed once for the tests of this module, which only read."""
    with django_db_blocker.unblock():
        try:
            write(row(**OUTLOOK), row(**REFUSED), row(**REFUSED), row(**GOOGLE))
            details.count_all(NOW)
            yield
        finally:
            empty_hypertables()


def values(answer):
    return {each["value"]: each["events"] for each in answer["values"]}


def test_domains_of_one_operator_are_one_row(get_json):
    answer = get_json("email/stats", by="provider")

    assert values(answer) == {
        "Microsoft 365": {"delivered": 1, "bounced": 2},
        "Google": {"delivered": 1},
    }


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("bounce_class", "policy"),
        ("account", "a@corp.example"),
        ("provider_ip", "Microsoft 365 192.0.2.7"),
        ("provider_reply", "Microsoft 365 0123456789abcdef"),
    ],
)
def test_each_detail_groups_statistics_and_throughput(get_json, by, value):
    assert values(get_json("email/stats", by=by))[value]["bounced"] == 2
    series = get_json("email/throughput", by=by)["series"]
    assert value in [each["value"] for each in series]


def test_addresses_and_replies_of_one_provider(get_json):
    ips = get_json("email/stats", by="ip", provider="Microsoft 365")
    replies = get_json("email/stats", by="provider_reply", provider="Microsoft 365", sort="bounced")

    assert values(ips) == {"192.0.2.7": {"delivered": 1, "bounced": 2}}
    assert values(replies) == {"0123456789abcdef": {"bounced": 2}}
    assert ips["totals"]["events"] == {"delivered": 1, "bounced": 2}


def test_a_provider_whose_name_begins_as_another_is_another(get_json):
    assert get_json("email/stats", by="ip", provider="Microsoft")["values"] == []


@pytest.mark.parametrize(
    ("named", "events"),
    [
        ({"provider": "Google"}, {"delivered": 1}),
        ({"bounce_class": "policy"}, {"bounced": 2}),
        ({"account": "a@corp.example"}, {"delivered": 2, "bounced": 2}),
        ({"destination": "TWO.example"}, {"bounced": 2}),
        ({"provider": "(none)"}, {}),
    ],
)
def test_throughput_of_one_value(get_json, named, events):
    answer = get_json("email/throughput", **named)

    sums = {}
    for bucket in answer["buckets"]:
        for kind, count in bucket["events"].items():
            sums[kind] = sums.get(kind, 0) + count
    assert {kind: n for kind, n in sums.items() if n} == events


def test_counts_that_are_not_kept_are_refused(expect_refusal):
    expect_refusal("email/stats", by="zone", provider="Google")
    expect_refusal("email/throughput", by="node", provider="Google")
    expect_refusal("email/throughput", account="a@corp.example", provider="Google")


def test_delivery_times_by_provider(get_json):
    answer = get_json("email/performance", by="provider")

    assert {each["value"] for each in answer["destinations"]} == {"Microsoft 365", "Google"}


@pytest.mark.parametrize(
    "named",
    [
        {"provider": "Microsoft 365"},
        {"bounce_class": "policy"},
        {"reply_fingerprint": "0123456789abcdef"},
        {"account": "a@corp.example", "type": "bounced"},
    ],
)
def test_the_search_finds_events_by_what_the_server_set(get_json, named):
    events = get_json("email/events", **named)["events"]

    assert events
    assert all(
        event["event_type" if name == "type" else name] == value
        for event in events
        for name, value in named.items()
    )


def test_replies_of_a_provider_have_words_class_and_times(get_json):
    write(row(**REFUSED | {"occurred_at": AT - timedelta(days=2)}, bounce_message=REPLY))
    write(row(**REFUSED | {"provider": "Google"}, bounce_message=REPLY))
    details.count_all(NOW)

    (reply,) = get_json("email/replies", provider="Microsoft 365")["replies"]

    assert reply == {
        "provider": "Microsoft 365",
        "fingerprint": "0123456789abcdef",
        "events": {"bounced": 2},
        "bounce_class": "policy",
        "text": "550 5.7.1 Blocked <ip>",
        "example": REPLY,
        "first_seen_at": "2026-11-19T08:07:10Z",
        "last_seen_at": "2026-11-21T08:07:10Z",
    }
    assert len(get_json("email/replies")["replies"]) == 2

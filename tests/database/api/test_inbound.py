"""Mail coming in: what became of it, who refused it, by what marks."""

from datetime import timedelta

import pytest

from server.events.mapping import to_line
from server.storage.transaction import write_events
from tests.factories import NOW, row

pytestmark = pytest.mark.django_db
AT = NOW - timedelta(minutes=20)


def came(event_type, count=1, **fields):
    fields = {"direction": "inbound", "occurred_at": AT, "source": "haraka_plugin"} | fields
    write_events([to_line(row(event_type=event_type, **fields)) for _ in range(count)])


def test_what_was_let_in_marked_as_spam_stands_apart(get_json):
    came("received", 9)
    came("delivered", 4, spam_action="no action")
    came("delivered", 2, spam_action="add header")
    came("delivered", 1, spam_action="rewrite subject")
    came("delivered", 1)
    came("rejected", 1, bounce_category="rspamd", spam_action="reject")

    answer = get_json("email/inbound", range="1h")

    assert answer["totals"] == {"received": 9, "delivered": 5, "spam": 3, "rejected": 1}
    (counted,) = [b for b in answer["buckets"] if b["events"]]
    assert counted["events"] == answer["totals"]


def test_outbound_mail_is_not_counted(get_json):
    came("delivered", direction="outbound", spam_action="add header")

    assert get_json("email/inbound")["totals"] == {}


def test_plugins_are_named_by_how_much_they_refuse_in_whatever_way(get_json):
    came("rejected", 3, bounce_category="rspamd")
    came("greylisted", 2, bounce_category="greylist")
    came("deferred", 4, bounce_category="greylist")
    came("rejected", 1)

    plugins = get_json("email/inbound")["plugins"]

    assert plugins == [
        {"value": "greylist", "count": 6, "events": {"greylisted": 2, "deferred": 4}},
        {"value": "rspamd", "count": 3, "events": {"rejected": 3}},
        {"value": "", "count": 1, "events": {"rejected": 1}},
    ]


def test_symbols_are_those_that_refused_mail_has_and_let_in_mail_has_not(get_json):
    came("rejected", 3, spam_symbols="{BAYES_SPAM,MIME_GOOD}")
    came("rejected", 1, spam_symbols="{DBL_SPAM,MIME_GOOD}")
    came("rejected", 5)
    came("delivered", 4, spam_symbols="{MIME_GOOD,R_SPF_ALLOW}")

    answer = get_json("email/inbound")

    assert answer["symbols_of"] == 4
    assert answer["symbols"] == [
        {"value": "BAYES_SPAM", "count": 3, "refused_ratio": 0.75, "let_in_ratio": 0},
        {"value": "DBL_SPAM", "count": 1, "refused_ratio": 0.25, "let_in_ratio": 0},
    ]


def test_without_mail_let_in_nobody_knows_how_usual_a_symbol_is(get_json):
    came("rejected", spam_symbols="{BAYES_SPAM}")

    (symbol,) = get_json("email/inbound")["symbols"]

    assert symbol["let_in_ratio"] is None


def test_deferrals_are_outcomes_of_inbound_mail(get_json):
    came("delivered", 3)
    came("deferred", 1)

    totals = get_json("email/stats", direction="inbound", by="node")["totals"]

    assert totals["ratios"] == {"delivered": 0.75, "rejected": 0, "greylisted": 0, "deferred": 0.25}

"""Facts on the page of one event that are read from its reply and its remote server."""

from collections import defaultdict

import pytest

from server.dashboard.pages.events.page import group_facts

BOUNCE = {
    "event_type": "bounced",
    "direction": "outbound",
    "mx_host": "hotmail-com.olc.protection.outlook.com",
    "bounce_category": "blacklist",
    "bounce_message": "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent (S3150).",
}


def read_outcome(**own):
    event = defaultdict(lambda: None, BOUNCE | own)
    facts = group_facts(event, "").get("Outcome", ())
    return {fact.label: fact.value for fact in facts}


def test_a_refusal_shows_who_runs_the_remote_server_and_the_class_of_its_reply():
    shown = read_outcome()

    assert shown["operator of the remote server"] == "Microsoft consumer (mailbox)"
    assert shown["class of the reply"] == "reputation"


@pytest.mark.parametrize("own", [{"mx_host": None}, {"mx_host": "mx.example.com"}])
def test_an_unknown_operator_is_not_shown(own):
    assert "operator of the remote server" not in read_outcome(**own)


@pytest.mark.parametrize(
    "own",
    [
        {"event_type": "delivered"},
        {"direction": "inbound"},
        {"bounce_message": None},
    ],
)
def test_what_is_no_refusal_by_a_reply_has_no_class(own):
    assert "class of the reply" not in read_outcome(**own)

"""The reason why mail waits: the remote's own words, of recorded and of known ones."""

import json

import pytest

from server.events.bounce_classes.classes import CLASSES as BOUNCE_CLASSES
from server.events.bounce_classes.classify import find_meaning
from server.mailqueues.reasons import CLASSES, classify_reply
from tests.paths import SAMPLES

KNOWN = {
    "recipient": ["450 4.1.1 <a@b.example>: Recipient address rejected: unverified address"],
    "full": [
        "452 4.2.2 The email account that you tried to reach is over quota",
        "452 4.2.2 Mailbox full: quota exceeded",
    ],
    "size": ["452 4.3.4 Message size exceeds what is free"],
    "sender": ["451 4.1.8 <alice@corp.example>: Sender address rejected: Domain not found"],
    "rate": [
        "421 4.7.0 Too many connections, rate limit exceeded",
        "421 4.7.28 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail",
        "452 4.5.3 Too many recipients received from the sender",
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to excessive volume",
        "450 4.7.1 Error: too much mail from 192.0.2.1",
        "451 4.7.500 Server busy. Please try again later from [192.0.2.1]",
        "421 Concurrent connections limit reached",
    ],
    "greylisted": [
        "450 4.2.0 <x>: Recipient address rejected: Greylisted, see http://postgrey.example/",
        "451 4.7.1 Greylisting in action, please come back later",
        "450 4.7.1 Gray-listed for 5 minutes",
        "451 4.3.0 first attempt deferred",
    ],
    "reputation": [
        "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org",
        "450 4.7.25 Client host rejected: cannot find your reverse hostname",
        "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited",
    ],
    "content": ["554 5.7.1 Message rejected due to content policy (spam)"],
    "authentication": ["421 4.7.1 message refused: SPF check failed"],
    "policy": ["451 4.7.1 Access denied by local policy"],
    "network": [
        "Network error: Network error when connecting to MX server 127.0.0.1[127.0.0.1] for"
        " dead.example: Connection refused",
        "Connection closed unexpectedly",
        "connect ECONNREFUSED 192.0.2.1:25",
        "connect ETIMEDOUT 192.0.2.1:25",
        "421 4.3.2 Service shutting down",
        "421 4.4.2 mx.example Error: connection lost",
        "queryMx ESERVFAIL broken.example",
        "Greeting timeout",
    ],
    "protocol": ["421 4.7.0 mx.example Error: too many errors"],
    "other": ["451 4.3.0 Temporary system problem, try again later", ""],
}


@pytest.mark.parametrize(
    ("wanted", "reply"), [(name, reply) for name, replies in KNOWN.items() for reply in replies]
)
def test_a_known_reply_has_its_class(wanted, reply):
    assert classify_reply(reply) == wanted


def test_every_class_has_replies_here():
    assert tuple(KNOWN) == CLASSES == tuple(BOUNCE_CLASSES)[:-1]


def test_mail_waits_for_the_reason_for_which_it_would_bounce():
    lines = (SAMPLES / "replies" / "labelled.jsonl").read_bytes().splitlines()
    for reply in (json.loads(line)["reply"] for line in lines):
        assert classify_reply(reply) == find_meaning(None, reply).bounce_class


def test_a_long_reply_of_a_stranger_is_classed_at_once():
    # RE2 alone reads it, and a bounded part of it.
    assert classify_reply("exceed " + "a " * 100_000) == "other"
    assert classify_reply("maximum " * 50_000) == "other"

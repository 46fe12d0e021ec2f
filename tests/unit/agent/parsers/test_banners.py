"""Greetings as recorded from the programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.banners import parse_greeting, parse_rspamd_server


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("220 vm ESMTP Welcome to feeder! [@zone-eu/zone-mta/3.11.0]", ("zonemta", "3.11.0")),
        ("220 mta ESMTP Welcome to mailer! [zone-mta/3.10.3]", ("zonemta", "3.10.3")),
        # With disableVersionString: anybody may greet so.
        ("220 mta ESMTP Welcome to feeder", None),
        ("220 mx-in.test ESMTP Haraka/3.3.4 ready (4C1A2B)", ("haraka", "3.3.4")),
        ("220 mx ESMTP Haraka 2.8.28 ready", ("haraka", "2.8.28")),
        ("* OK WildDuck IMAP Server ready for requests from 127.0.0.1 6r62", ("wildduck", None)),
        ("+OK WildDuck POP3 Server ready", ("wildduck", None)),
        ("220 mail ESMTP Postfix (Debian/GNU)", None),
        ("* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.", None),
        ("SSH-2.0-OpenSSH_9.2 Haraka", None),
        ("421 4.3.2 Haraka is going away", None),
        ("", None),
    ],
)
def test_a_program_is_known_by_its_greeting(line, expected):
    assert parse_greeting(line) == expected


def test_rspamd_says_its_version_in_a_header():
    assert parse_rspamd_server("rspamd/3.4") == (True, "3.4")
    assert parse_rspamd_server("nginx/1.22") == (False, None)
    assert parse_rspamd_server("") == (False, None)


@given(st.text())
def test_no_greeting_upsets_the_reader(line):
    parse_greeting("220 " + line)
    parse_rspamd_server(line)

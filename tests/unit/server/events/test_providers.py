"""Operators of mail servers, by names of MX hosts."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events.providers import find_provider
from tests.paths import ROOT

ROWS = tomllib.loads((ROOT / "server/events/providers.toml").read_text())["provider"]


@pytest.mark.parametrize(
    ("mx_host", "name", "kind"),
    [
        ("gmail-smtp-in.l.google.com", "Google", "mailbox"),
        ("hotmail-com.olc.protection.outlook.com", "Microsoft consumer", "mailbox"),
        ("example-com.mail.protection.outlook.com", "Microsoft 365", "mailbox"),
        ("example-com.e-v1.mx.microsoft", "Microsoft 365", "mailbox"),
        ("mta5.am0.yahoodns.net", "Yahoo", "mailbox"),
        ("mx01.mail.icloud.com", "Apple", "mailbox"),
        ("mxa-001d1705.gslb.pphosted.com", "Proofpoint", "gateway"),
        ("eu-smtp-inbound-1.mimecast.com", "Mimecast", "gateway"),
        ("inbound-smtp.eu-west-1.amazonaws.com", "Amazon", "hosting"),
        ("smtp-in.orange.fr", "Orange", "isp"),
    ],
)
def test_the_longest_suffix_names_the_operator(mx_host, name, kind):
    assert find_provider(mx_host)[:2] == (name, kind)


@pytest.mark.parametrize("mx_host", ["ASPMX.L.Google.COM", "aspmx.l.google.com.", " google.com "])
def test_case_and_a_trailing_dot_do_not_matter(mx_host):
    assert find_provider(mx_host).name == "Google"


@pytest.mark.parametrize(
    ("mx_host", "name"),
    [
        ("mx.notgoogle.com", "notgoogle.com"),
        ("google.com.evil.example", "evil.example"),
        ("mx1.mail.example.co.uk", "example.co.uk"),
        ("mx.customer.example.github.io", "github.io"),
        ("mail.bücher.example", "xn--bcher-kva.example"),
        ("mx.xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("com", "com"),
        ("[192.0.2.7]", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
    ],
)
def test_an_unknown_operator_is_its_registered_domain_or_address(mx_host, name):
    assert find_provider(mx_host) == (name, "unknown", "")


@pytest.mark.parametrize("mx_host", [None, "", ".", "[]", "  "])
def test_no_name_is_no_operator(mx_host):
    assert find_provider(mx_host) is None


def test_a_name_of_any_length_is_read_by_its_end():
    assert find_provider(f"{'a.' * 5_000}google.com").name == "Google"
    assert find_provider("x" * 5_000).kind == "unknown"


@given(st.text(max_size=300))
def test_whatever_was_written_is_read(mx_host):
    find_provider(mx_host)


def test_the_file_has_more_than_120_operators_each_with_a_page():
    assert len(ROWS) >= 120
    assert len({row["name"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row["page"].startswith(("https://", "http://"))
        assert {find_provider(f"mx1.{suffix}").name for suffix in row["suffixes"]} == {row["name"]}

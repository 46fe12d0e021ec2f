"""A domain is counted in A-labels and shown in U-labels, however it was spelled."""

import json
from pathlib import Path

import pytest

from server.events.domains import spellings, to_ascii, to_unicode

CASES = json.loads(Path("server/dashboard/shell/tests/domains.json").read_text("utf-8"))


@pytest.mark.parametrize(("spelled", "counted", "shown"), CASES)
def test_all_spellings_of_a_domain_are_counted_as_one_and_shown_as_one(spelled, counted, shown):
    assert (to_ascii(spelled), to_unicode(counted)) == (counted, shown)


@pytest.mark.parametrize(
    "domain", ["xn--a\u202eb-", "xn--" + "a" * 300, "xn---", "xn--99999999999"]
)
def test_what_is_no_name_stays_as_it_is(domain):
    assert to_unicode(domain) == domain


def test_a_name_with_a_control_character_is_not_made_of_a_label():
    hidden = "xn--" + "a\u202eb".encode("punycode").decode()

    assert to_unicode(f"{hidden}.example") == f"{hidden}.example"


def test_a_text_that_is_longer_than_any_domain_is_not_encoded():
    assert to_ascii("Ü" * 1_000_000) == "ü" * 1_000_000


def test_an_address_is_looked_for_in_both_spellings_of_its_domain():
    assert spellings("Bob@BÜCHER.example") == ("bob@xn--bcher-kva.example", "bob@bücher.example")
    assert spellings("Bob@Good.Example") == ("bob@good.example",)
    assert spellings("<>") == ("<>",)

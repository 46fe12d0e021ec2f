"""Replies of remote servers: one text for a thousand messages."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events import replies
from server.events.replies import fingerprint, normalize
from tests.paths import SAMPLES
from tests.unit.patterns import Matcher


@pytest.fixture
def vectors(golden):
    return golden("reply_fingerprint.json")


def test_replies_of_one_text_have_one_fingerprint(vectors):
    for text in vectors["texts"]:
        assert {fingerprint(reply) for reply in text["replies"]} == {text["fingerprint"]}
        assert normalize(text["replies"][0]) == text["normalised"]


def test_real_replies_of_one_kind_are_one_whatever_ips_hosts_ids_and_times_they_carry():
    lines = (SAMPLES / "replies" / "same.jsonl").read_bytes().splitlines()
    for of_one_kind in map(json.loads, lines):
        names = {fingerprint(reply) for reply in of_one_kind["replies"]}
        assert len(names) == 1, of_one_kind

    assert len({fingerprint(json.loads(line)["replies"][0]) for line in lines}) == len(lines)


def test_different_texts_have_different_fingerprints(vectors):
    names = [text["fingerprint"] for text in vectors["texts"]]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "kept", ["OFR005_104", "(S3150)", "[TSS04]", "zen.spamhaus.org", "RFC 5322"]
)
def test_words_that_name_the_reason_stay(kept):
    assert kept in normalize(f"550 5.7.1 Refused, see {kept} for more")


@pytest.mark.parametrize(
    "piece",
    ["x", "1", "1 ", "1.", "a-", "a:", "@", "a@", "=", "<", "http://", "20 Jan 2026 ", ":1:"],
)
def test_the_steps_of_reading_grow_as_the_text_does(piece):
    patterns = [each for each in vars(replies).values() if isinstance(each, re.Pattern)]

    def steps(chars: int) -> int:
        text = (piece * chars)[:chars] + "!"
        return sum(
            Matcher(each.pattern, each.flags, text, max_steps=10**6).count(anchored=False)
            for each in patterns
        )

    # Twice the text: some twice the steps, where quadratic would be four times.
    assert steps(120) < 2.9 * steps(60)


def test_of_a_reply_of_any_length_a_bounded_part_is_read():
    assert normalize("x " * 5_000) == normalize("x " * 250)


@given(st.text(max_size=2000))
def test_whatever_was_written_normalising_ends_and_is_stable(reply):
    once = normalize(reply)

    assert "\n" not in once
    assert fingerprint(reply) == fingerprint(reply)

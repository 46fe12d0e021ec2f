"""Replies of remote servers: one text for a thousand messages."""

import timeit
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events.replies import fingerprint, normalize, replace_variables


@pytest.fixture
def vectors(golden):
    return golden("reply_fingerprint.json")


def test_replies_of_one_text_have_one_fingerprint(vectors):
    for text in vectors["texts"]:
        assert {fingerprint(reply) for reply in text["replies"]} == {text["fingerprint"]}
        assert normalize(text["replies"][0]) == text["normalised"]


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
def test_the_time_of_reading_grows_as_the_text_does(piece):
    def cost(chars: int) -> float:
        text = (piece * chars)[:chars] + "!"
        return min(
            timeit.repeat(lambda: replace_variables(text), timer=process_time, number=1, repeat=12)
        )

    # Four times the text: some four times the work, where quadratic would be sixteen.
    assert cost(16_000) < 11 * cost(4_000)


def test_of_a_reply_of_any_length_a_bounded_part_is_read():
    assert normalize("x " * 5_000) == normalize("x " * 250)


@given(st.text(max_size=2000))
def test_whatever_was_written_normalising_ends_and_is_stable(reply):
    once = normalize(reply)

    assert "\n" not in once
    assert fingerprint(reply) == fingerprint(reply)

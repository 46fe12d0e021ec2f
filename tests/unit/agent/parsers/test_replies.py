"""Replies are grouped by their words without what varies, and every recipient is in a group or in
the rest."""

import pytest

from agent.parsers.replies import MAX_TEXTS, generalize, group


def test_the_replies_of_the_contract_are_grouped_as_the_server_groups_them(golden):
    texts = golden("reply_fingerprint.json")["texts"]

    groups = [{generalize(reply) for reply in text["replies"]} for text in texts]

    assert [len(group) for group in groups] == [1] * len(texts)
    assert len(set.union(*groups)) == len(texts)


@pytest.mark.parametrize(
    "replies",
    [
        ["450 4.2.0 <a@b.example>: Greylisted", "450 4.2.0 <c@d.example>: greylisted"],
        ["451 try again in 3 seconds", "451 try again in 287 seconds"],
        ["421 mx1.example.net closing", "421 mx.example.org closing"],
        ["450 user 'alice' is over quota", "450 user 'bob' is over quota"],
        ["451 4.7.1 id 1a1fd92f960000a951", "451 4.7.1 id 4XyZ12abC"],
        ["450-4.2.1 first\n450 4.2.1 second a1", "450-4.2.1 first\r\n450 4.2.1 second b22"],
        ["connect ETIMEDOUT 192.0.2.1:25", "connect ETIMEDOUT [2001:db8::1]:25"],
        ["451 see https://a.example/x?id=1 now", "451 see https://a.example/y/2?q now"],
    ],
)
def test_replies_that_differ_by_what_varies_are_one(replies):
    assert group([(reply, 2) for reply in replies], limit=9) == ([(replies[0], 4)], 0)


@pytest.mark.parametrize(
    "replies",
    [
        ["421 4.7.0 Too many connections", "421 4.7.28 Too many connections"],
        ["450 Too many connections", "451 Too many connections"],
        ["421 4.7.0 [TSS04] deferred", "421 4.7.0 [TSS05] deferred"],
        ["451 Mailbox full", "451 Mailbox busy"],
    ],
)
def test_replies_that_mean_something_else_are_apart(replies):
    groups, rest = group([(reply, 1) for reply in replies], limit=9)

    assert (sorted(groups), rest) == (sorted((reply, 1) for reply in replies), 0)


def test_where_there_are_more_than_are_listed_those_that_differ_in_a_name_are_one():
    names = [a + b for a in "abcdefghij" for b in "klmnopqrst"]
    replies = [*((f"452 4.2.2 Mailbox of {name} is full", 1) for name in names), ("451 wait", 3)]

    assert group(replies, limit=5) == (
        [("452 4.2.2 Mailbox of ak is full", 100), ("451 wait", 3)],
        0,
    )


def test_what_is_in_no_group_is_counted():
    def word(number):
        return "".join(chr(97 + int(digit)) for digit in str(number))

    replies = [(f"451 {word(n)} {word(n)}", 1) for n in range(MAX_TEXTS + 50)]

    groups, rest = group(replies, limit=10)

    assert len(groups) == 10
    assert sum(count for _, count in groups) + rest == len(replies)


def test_the_largest_are_exact_among_more_texts_than_are_kept():
    def word(number):
        return "".join(chr(97 + int(digit)) for digit in str(number))

    large = [("451 wait", 1), ("452 4.2.2 full", 1), ("452 4.2.2 full", 1)]
    replies = []
    for n in range(3 * MAX_TEXTS):
        replies += [(f"451 {word(n)} {word(n * 7)}", 1), *(large if n % 100 == 0 else [])]

    groups, rest = group(replies, limit=10)

    assert groups[:2] == [("452 4.2.2 full", 2 * 120), ("451 wait", 120)]
    assert sum(count for _, count in groups) + rest == len(replies)


@pytest.mark.parametrize("reply", ["", "   ", "<", "'", "4", "451", "451 ", "\0" * 500, "@" * 500])
def test_a_hostile_reply_is_grouped_too(reply):
    assert group([(reply, 1), (reply, 1)], limit=1) == ([(reply, 2)], 0)

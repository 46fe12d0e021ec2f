"""Profiles of outbound mail: names, judgement of a course, refusals, lists; all pure."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from server.dashboard.pages.profile.page import build_headline
from server.profiles import kinds
from server.profiles.course import find_worse
from server.profiles.inventory import Counts, Inventory, IpFacts, Row, build_ip_rows, find_rows
from server.profiles.kinds import clean_name, show_name
from server.profiles.outcomes import Outcomes, Stretch
from server.profiles.profile import Profile
from server.profiles.refusals import MAX_REFUSALS, Refusals, group_rows
from server.profiles.sending_ips import SeenIp
from server.rollups.plan import plan_total

NOW = datetime(2026, 11, 30, 12, 7, tzinfo=UTC)
STEP, DAY = timedelta(minutes=15), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)


def outcomes(delivered, refused):
    return Outcomes(Counter({"delivered": delivered, "deferred": refused}))


def course(*attempts):
    """Steps that end now: (delivered, refused) of each, oldest first."""
    start = NOW - len(attempts) * STEP
    return [Stretch(start + i * STEP, outcomes(*each)) for i, each in enumerate(attempts)]


def trend(*attempts):
    """Days that end with this one."""
    start = MIDNIGHT - (len(attempts) - 1) * DAY
    return [Stretch(start + i * DAY, outcomes(*each)) for i, each in enumerate(attempts)]


GOOD_DAYS = trend(*[(980, 20)] * 5)


def test_what_is_refused_from_some_step_on_began_there():
    steps = course((50, 1), (50, 2), (10, 40), (0, 50))

    worse = find_worse(steps, GOOD_DAYS)

    assert (worse.since, worse.attempts, worse.refused) == (steps[2].start, 100, 90)
    assert worse.usual_ratio == pytest.approx(0.02)


def test_what_is_taken_again_is_worse_no_more():
    assert find_worse(course((0, 50), (0, 50), (50, 1)), GOOD_DAYS) is None


def test_steps_with_hardly_an_attempt_neither_begin_nor_end_it():
    steps = course((50, 1), (2, 0), (0, 20), (2, 0), (0, 20), (1, 0))

    assert find_worse(steps, GOOD_DAYS).since == steps[2].start


def test_what_was_tried_last_long_ago_was_so_and_is_not_known_to_be_so():
    steps = course((50, 1), (0, 50), *[(0, 0)] * 12)
    worse = find_worse(steps, GOOD_DAYS)
    buckets = plan_total(NOW - DAY, NOW, now=NOW)
    profile = Profile(
        kinds.PROVIDER, "Gmail", buckets, outcomes(50, 51), None, [], worse, Refusals()
    )

    old, fresh = (build_headline(profile, at) for at in (NOW, worse.last_at + STEP))

    assert worse.last_at == steps[1].start
    assert (old.text, old.last_at) == ("Gmail refused 100 % of what it was offered", worse.last_at)
    assert (fresh.text, fresh.last_at) == ("Gmail refuses 100 % of what it is offered", None)


def test_a_few_refusals_are_worth_no_sentence():
    assert find_worse(course((0, 0), (0, 9)), GOOD_DAYS) is None


def test_a_host_that_always_greylists_is_as_usual():
    assert find_worse(course((50, 50)), trend(*[(500, 500)] * 5)) is None


def test_who_always_refuses_everything_is_worse_all_the_same():
    days = trend(*[(0, 100)] * 5)

    worse = find_worse(course((0, 50)), days)

    assert (worse.since, worse.is_day) == (days[0].start, True)


def test_what_lasts_longer_than_the_course_is_followed_by_days():
    days = trend((980, 20), (980, 20), (980, 20), (100, 900), (100, 900))

    worse = find_worse(course(*[(1, 9)] * 96), days)

    assert (worse.since, worse.is_day) == (days[3].start, True)


def test_without_any_mail_nothing_is_worse():
    assert find_worse(course((0, 0)), trend((0, 0))) is None
    assert find_worse([], []) is None


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        (kinds.DESTINATION, " Bücher.Example ", "xn--bcher-kva.example"),
        (kinds.DOMAIN, "CORP.example", "corp.example"),
        (kinds.IP, "2001:DB8::0:1", "2001:db8::1"),
        (kinds.IP, "192.0.2.1", "192.0.2.1"),
        (kinds.IP, "192.0.2.300", None),
        (kinds.IP, "fe80::1%eth0", None),
        (kinds.ACCOUNT, "a/b@C", "a/b@C"),
        (kinds.ACCOUNT, "x" * 256, None),
        (kinds.PROVIDER, "a\0b", None),
        (kinds.PROVIDER, "  ", "  "),
        (kinds.PROVIDER, "(other)", None),
    ],
)
def test_a_name_is_looked_up_as_events_have_it(kind, text, name):
    assert clean_name(kind, text) == name


def test_domains_alone_are_shown_in_their_letters():
    assert show_name(kinds.DOMAIN, "xn--bcher-kva.example") == "bücher.example"
    assert show_name(kinds.ACCOUNT, "a@xn--bcher-kva.example") == "a@xn--bcher-kva.example"


def test_refusals_are_cut_when_as_many_were_read_as_may_be():
    rows = [("all", "", MAX_REFUSALS, NOW, NOW, "", "", 1, ["b.example"])]

    refusals = group_rows(rows)

    assert refusals.is_cut
    assert refusals.domains == ["b.example"]
    assert refusals["nodes"].values == ()


def test_without_a_refusal_there_are_no_parts():
    assert group_rows([("all", "", 0, None, None, "", "", 1, None)]).count == 0
    assert group_rows([]).count == 0


def test_an_ip_is_listed_when_it_was_ever_seen_or_sends_now():
    old = SeenIp("192.0.2.1", "mta-01", "bulk", NOW - 90 * DAY, NOW - 60 * DAY)
    facts = IpFacts([old], {"192.0.2.2": Counts(0, 3, 1, 1)}, {"192.0.2.2": Counts(0, 30)}, [])

    rows = build_ip_rows({"192.0.2.2": Counts(0, 50, 0, 50)}, facts)

    assert rows == [
        Row("192.0.2.2", Counts(0, 50, 0, 50), hour=5, day=30),
        Row("192.0.2.1", Counts(), seen=old),
    ]


def test_an_ip_names_the_provider_that_refuses_most_of_it():
    refused = [("Microsoft 365 192.0.2.1", 9), ("b.example 192.0.2.1", 5), ("Apple 2001:db8::1", 2)]

    rows = build_ip_rows({"192.0.2.1": Counts(), "2001:db8::1": Counts()}, IpFacts(refused=refused))

    assert [(row.refused_by, row.refused_count) for row in rows] == [
        ("Microsoft 365", 9),
        ("Apple", 2),
    ]


@pytest.mark.parametrize("text", ["BÜCHER", "xn--bcher"])
def test_a_domain_is_found_in_either_spelling(text):
    buckets = plan_total(NOW - DAY, NOW, now=NOW)
    rows = [Row("xn--bcher-kva.example", Counts()), Row("corp.example", Counts())]

    matches = find_rows(Inventory(kinds.DESTINATION, buckets, rows), text)

    assert [row.name for row in matches] == ["xn--bcher-kva.example"]

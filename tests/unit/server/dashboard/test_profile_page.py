"""Pages of profiles and their lists: sentence, numbers, tables, words to copy; all pure."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from server.dashboard.pages.inventory import page as inventory_page
from server.dashboard.pages.profile import page, tables
from server.dashboard.shell.lists.links import column_href, events_href, profile_href
from server.profiles import kinds
from server.profiles.course import Worse
from server.profiles.inventory import Counts, Inventory, Row
from server.profiles.outcomes import Outcomes, Stretch
from server.profiles.profile import Profile
from server.profiles.refusals import MAX_REFUSALS, Part, Refusals, Refused
from server.profiles.sending_ips import SeenIp
from server.profiles.waiting import Waiting, WaitingDomain
from server.rollups.plan import plan_total

NOW = datetime(2026, 11, 30, 12, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = NOW - 2 * HOUR
REPLY = Refused("aa", 20, SINCE, NOW, "451 4.7.500 Server busy", "rate")


def outcomes(**events):
    return Outcomes(Counter(events))


def profile(kind=kinds.PROVIDER, name="Microsoft 365", **more):
    given = {
        "outcomes": outcomes(delivered=980, deferred=15, bounced=5),
        "before": outcomes(delivered=500),
        "trend": [Stretch(NOW, outcomes(delivered=1))],
        "worse": None,
        "refusals": Refusals(),
    } | more
    return Profile(kind, name, plan_total(NOW - DAY, NOW, now=NOW), **given)


def refusals(count=20, **parts):
    return Refusals(
        count, SINCE, NOW, {name: Part(values, len(values)) for name, values in parts.items()}
    )


def tile(of, key):
    return next(each for each in page.build_tiles(of, {}) if each.key == key)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (kinds.PROVIDER, "Apple", "Apple refuses 80.0 % of what it is offered"),
        (kinds.ACCOUNT, "a@b.example", "80.0 % of the mail of a@b.example is refused"),
        (kinds.DOMAIN, "xn--bcher-kva.example", "80.0 % of the mail of bücher.example is refused"),
    ],
)
def test_the_sentence_says_who_refuses_whom_since_when(kind, name, words):
    headline = page.build_headline(profile(kind, name, worse=Worse(SINCE, 50, 40, 0.021)))

    assert (headline.level, headline.text, headline.since) == ("warning", words, SINCE)
    assert headline.more == "2.1 % as a rule"


def test_hardly_anything_taken_is_critical():
    assert page.build_headline(profile(worse=Worse(SINCE, 50, 45, 0.0))).level == "critical"


@pytest.mark.parametrize(
    ("more", "level", "words"),
    [
        ({}, "ok", "takes its mail: 98.0 % of 1,000 attempts delivered"),
        ({"outcomes": outcomes(delivered=1, bounced=1)}, "none", "50.0 % of 2 attempts"),
        ({"outcomes": outcomes(sent=3)}, "none", "No attempt to deliver"),
        ({"outcomes": Outcomes()}, "none", "had some in the last 30 days"),
        ({"outcomes": Outcomes(), "trend": []}, "none", "Nothing is known of Microsoft 365"),
    ],
)
def test_well_over_quiet_and_unknown_are_different_things(more, level, words):
    headline = page.build_headline(profile(**more))

    assert headline.level == level
    assert words in headline.text


def test_each_number_has_that_of_the_day_before_beside_it():
    of = profile(before=outcomes(delivered=400, deferred=100))

    assert tile(of, "attempts").note == "▲ 100 % against 500 the day before"
    assert tile(of, "deferred").note == "1.5 %; 20.0 % the day before"
    assert tile(of, "bounced").note == "0.5 %; 0 % the day before"


def test_what_was_not_kept_or_not_there_before_is_no_zero():
    assert tile(profile(before=None), "attempts").note == ""
    assert tile(profile(before=Outcomes()), "bounced").note == "0.5 %"


def test_a_range_of_days_is_compared_with_as_many_before():
    of = replace(profile(), buckets=plan_total(NOW - 7 * DAY, NOW, now=NOW))

    assert tile(of, "attempts").note.endswith("the 7 days before")


def test_a_zero_leads_nowhere_and_other_numbers_to_their_events():
    of = profile(outcomes=outcomes(delivered=5))

    assert tile(of, "bounced").href == ""
    assert parse_qs(urlsplit(tile(of, "delivered").href).query) == {
        "direction": ["outbound"], "type": ["delivered"], "provider": ["Microsoft 365"],
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds.KINDS.values())
def test_refusals_say_of_how_many_they_are(kind):
    of = profile(
        kind, "192.0.2.1" if kind is kinds.IP else "a.example",
        refusals=refusals(MAX_REFUSALS, replies=[REPLY], nodes=[Refused("mta-01", 20, SINCE, NOW)]),
    )  # fmt: skip

    made = {table.key: table for table in page.build_tables(of, {})}

    assert made["replies"].note == "of the newest 10,000 refusals"
    assert made["by-nodes"].rows[0][0].href == "/nodes/named/mta-01/"
    assert made["by-classes"].rows == []


def test_without_refusals_one_table_says_so():
    made = page.build_tables(profile(kinds.ACCOUNT, "a@b.example"), {})

    assert [(table.key, table.rows) for table in made] == [("replies", [])]


def test_more_values_than_are_listed_are_counted():
    many = [Refused(f"n{i}", 1, SINCE, NOW) for i in range(20)]
    of = profile(refusals=Refusals(20, SINCE, NOW, {"nodes": Part(many, 35)}))

    table = next(t for t in tables.build_parts(of, {}) if t.key == "by-nodes")

    assert len(table.rows) == 10
    assert table.note == "of 20 refusals; 25 more"


def test_the_words_to_copy_are_of_the_reply_that_came_most():
    of = profile(
        worse=Worse(SINCE, 50, 40, 0.02),
        refusals=refusals(replies=[REPLY], ips=[Refused("192.0.2.1", 20, SINCE, NOW)]),
    )

    assert page.build_report(of).splitlines() == [
        "Since 2026-11-30 10:07 UTC Microsoft 365 refuses 80.0 % of our mail.",
        "From our addresses: 192.0.2.1",
        "The reply (20 times): 451 4.7.500 Server busy",
        "First 2026-11-30 10:07:00 UTC, last 2026-11-30 12:07:00 UTC.",
    ]
    assert page.build_report(replace(of, worse=None)) == ""
    assert page.build_report(replace(of, kind=kinds.ACCOUNT)) == ""


def test_what_waits_is_listed_or_not_known():
    waits = Waiting(9, [WaitingDomain("slow.example", 9, 4)], 1, NOW, False, True)
    named = tables.build_waiting(profile(waiting=waits), {})

    assert [[cell.text for cell in row] for row in named.rows] == [["slow.example", "9", "4"]]
    assert tables.build_waiting(profile(), {}).empty == "No mail queue with destinations was read."
    nothing = replace(waits, count=0, domains=[])
    assert tables.build_waiting(profile(waiting=nothing), {}).empty == "Nothing waits."
    assert tables.build_waiting(profile(kinds.IP, "192.0.2.1"), {}) is None


@pytest.mark.parametrize("name", ["a/b@c", "x y", "a&b=c#d", "2001:db8::1", "%00", "\u202egnp"])
def test_a_name_is_quoted_in_its_address(name):
    for href in (profile_href("account", name), column_href("auth_user", name)):
        assert parse_qs(urlsplit(href).query)["name"] == [name]
        assert urlsplit(href).path == "/email/by/account/named/"


def test_what_is_no_thing_has_no_page():
    assert profile_href("provider", "") == ""
    assert profile_href("provider", "(other)") == ""
    assert column_href("mx_host", "mx1.a.example") == ""
    assert events_href({"range": "7d"}, type=None) == "/events/?direction=outbound&range=7d"


def ips(*rows):
    return Inventory(kinds.IP, plan_total(NOW - DAY, NOW, now=NOW), rows)


def test_the_list_is_sorted_by_what_the_url_names_and_unknown_ones_come_last():
    seen = SeenIp("192.0.2.2", "mta-02", "bulk", NOW - DAY, NOW)
    listed = ips(Row("192.0.2.1", Counts(0, 5)), Row("192.0.2.2", Counts(), seen=seen))

    for sort, names in {
        "-attempts": ["192.0.2.1", "192.0.2.2"],
        "-node": ["192.0.2.2", "192.0.2.1"],
        "node": ["192.0.2.2", "192.0.2.1"],
        "-refused": ["192.0.2.1", "192.0.2.2"],
        "hostile'": ["192.0.2.1", "192.0.2.2"],
    }.items():
        params = inventory_page.parse_params({"sort": sort}, kinds.IP)
        table, count = inventory_page.build_table(listed, params, {})
        assert [row[0].text for row in table.rows] == names, sort
        assert count == 2


def test_a_long_list_has_pages():
    listed = ips(*(Row(f"192.0.2.{i}", Counts(0, i)) for i in range(120)))
    params = inventory_page.parse_params({"page": "3"}, kinds.IP)

    table, count = inventory_page.build_table(listed, params, {})

    assert (len(table.rows), count) == (20, 120)
    assert inventory_page.parse_params({"page": "٣"}, kinds.IP).page == 1
    assert inventory_page.parse_params({"page": "-1"}, kinds.IP).page == 1


def test_a_head_turns_the_order_round_and_says_how_it_is():
    table, _ = inventory_page.build_table(
        ips(), inventory_page.parse_params({}, kinds.IP), {"tz": "UTC"}
    )
    by_label = {column.label: column for column in table.columns}

    assert by_label["Attempts"].sort == "descending"
    assert by_label["Attempts"].href == "?sort=attempts&tz=UTC"
    assert by_label["Sending IP"].href == "?sort=name&tz=UTC"

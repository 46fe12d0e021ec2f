"""Answers from the levels, against straightforward SQL over the raw rows of the scale set."""

from collections import Counter
from itertools import pairwise

import pytest

from server.events.replies import fingerprint
from server.rollups.levels import DELIVERY_BOUNDS_MS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("scale_set")]
RANGES = ["1h", "6h", "24h", "7d", "30d"]
COLUMN_OF = {
    "domain": "from_domain",
    "destination": "to_domain",
    "node": "mta_node",
    "ip": "host(sending_ip)",
    "zone": "zone",
}
#: Where days begin → the level that has an edge there.
LEVEL_OF_DAYS = {
    "UTC": "daily",
    "Europe/Berlin": "1h",
    "America/Los_Angeles": "1h",
    "Pacific/Auckland": "1h",
    "Asia/Kolkata": "5m",
}


def bin_width_ms(at_ms):
    return next(
        (
            upper - lower
            for lower, upper in zip((0, *DELIVERY_BOUNDS_MS), DELIVERY_BOUNDS_MS, strict=False)
            if lower <= at_ms < upper
        ),
        float("inf"),
    )


def sum_types(buckets):
    totals = {}
    for bucket in buckets:
        for kind, count in bucket["events"].items():
            totals[kind] = totals.get(kind, 0) + count
    return totals


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
@pytest.mark.parametrize("name", RANGES)
def test_throughput_counts_what_is_there(get_json, raw, name, direction):
    answer = get_json("email/throughput", range=name, direction=direction)

    counted = dict(
        raw("event_type, count(*)", answer, direction=direction, tail="GROUP BY 1 ORDER BY 1")
    )
    assert sum_types(answer["buckets"]) == counted
    assert sum(counted.values()) > 0
    inferred = raw("count(*)", answer, "certainty = 'inferred'", direction=direction)
    assert [(sum(b["inferred"] for b in answer["buckets"]),)] == inferred


@pytest.mark.parametrize("zone", list(LEVEL_OF_DAYS))
def test_throughput_by_day_counts_the_days_of_the_time_zone(get_json, raw, zone):
    answer = get_json("email/throughput", range="30d", tz=zone)

    days = dict(
        raw(
            f"(date_trunc('day', occurred_at, '{zone}') AT TIME ZONE 'UTC')::text, count(*)",
            answer,
            tail="GROUP BY 1",
        )
    )
    got = {
        bucket["start"].replace("T", " ").removesuffix("Z"): sum(bucket["events"].values())
        for bucket in answer["buckets"]
        if bucket["events"]
    }
    assert got == days
    assert answer["level"] == LEVEL_OF_DAYS[zone]


@pytest.mark.parametrize(
    ("by", "query"),
    [
        *(
            (by, {"range": "7d"})
            for by in ("node", "domain", "destination", "ip", "zone", "from_domain", "to_domain")
        ),
        ("destination", {"range": "24h"}),
        *(("destination", {"range": "30d", "tz": zone}) for zone in LEVEL_OF_DAYS),
        ("domain", {"range": "30d", "tz": "Europe/Berlin"}),
        ("node", {"range": "30d", "tz": "Asia/Kolkata", "direction": "inbound"}),
    ],
)
def test_every_series_is_what_the_raw_rows_of_its_value_add_up_to(get_json, raw, by, query):
    answer = get_json("email/throughput", by=by, limit=100, **query)

    assert answer["series"]
    column = COLUMN_OF.get(by, by)
    edges = [bucket["start"] for bucket in answer["buckets"]]
    counted = Counter()
    for value, bucket, kind, count in raw(
        f"coalesce({column}, ''), width_bucket(occurred_at, '{{{','.join(edges)}}}'::timestamptz[])"
        " - 1, event_type, count(*)",
        answer,
        direction=query.get("direction", "outbound"),
        tail="GROUP BY 1, 2, 3",
    ):
        counted[value, bucket, kind] += count
    shown = {one["value"] for one in answer["series"]}
    got = {
        (one["value"], i, kind): count
        for one in answer["series"]
        for i, bucket in enumerate(one["buckets"])
        for kind, count in bucket["events"].items()
    }
    assert got == {key: count for key, count in counted.items() if key[0] in shown}
    assert len(shown) == min(100, len({value for value, *_ in counted}))


def test_series_of_bounces_add_up_to_the_total(get_json):
    answer = get_json("email/throughput", range="7d", by="bounce", limit=100)

    whole = [b["events"] for b in answer["buckets"]]
    for i, events in enumerate(whole):
        assert sum_types([series["buckets"][i] for series in answer["series"]]) == events


def test_the_largest_series_come_first_and_no_more_than_requested(get_json, raw):
    answer = get_json("email/throughput", range="7d", by="to_domain", limit=3)

    largest = raw("to_domain", answer, tail="GROUP BY 1 ORDER BY count(*) DESC, to_domain LIMIT 3")
    assert [series["value"] for series in answer["series"]] == [value for (value,) in largest]


def all_stats(get_json, **query):
    """All pages of /email/stats: of the values, and the first page's answer."""
    first = get_json("email/stats", limit=500, **query)
    values = list(first["values"])
    while len(values) < first["values_count"]:
        values += get_json("email/stats", limit=500, offset=len(values), **query)["values"]
    return values, first


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
@pytest.mark.parametrize("by", list(COLUMN_OF))
@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_stats_of_every_value(get_json, raw, name, by, direction):
    values, answer = all_stats(get_json, range=name, by=by, direction=direction)

    column = f"coalesce({COLUMN_OF[by]}, '')"
    counted = {}
    for value, kind, count in raw(
        f"{column}, event_type, count(*)", answer, direction=direction, tail="GROUP BY 1, 2"
    ):
        counted.setdefault(value, {})[kind] = count
    assert {one["value"]: one["events"] for one in values} == counted
    assert answer["values_count"] == len(counted) == len(values)
    sized = "delivered" if direction == "outbound" else "received"
    sizes = dict(
        raw(
            f"{column}, coalesce(sum(message_size_bytes), 0)::bigint",
            answer,
            f"event_type = '{sized}'",
            direction=direction,
            tail="GROUP BY 1",
        )
    )
    assert {o["value"]: o["size_bytes"] for o in values if o["size_bytes"]} == {
        value: size for value, size in sizes.items() if size
    }
    inferred = dict(
        raw(f"{column}, count(*)", answer, "certainty = 'inferred'", direction, "GROUP BY 1")
    )
    assert {o["value"]: o["inferred"] for o in values if o["inferred"]} == inferred
    assert {o["value"] for o in values} == set(counted)


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_stats_times_are_right_within_a_bin_and_ratios_are_of_outcomes(get_json, raw, name):
    values, answer = all_stats(get_json, range=name, by="destination")

    exact = {
        value: rest
        for value, *rest in raw(
            "to_domain, avg(delivery_time_ms) FILTER (WHERE event_type = 'delivered'),"
            " percentile_disc(0.95) WITHIN GROUP (ORDER BY delivery_time_ms)"
            " FILTER (WHERE event_type = 'delivered'),"
            " percentile_disc(0.99) WITHIN GROUP (ORDER BY delivery_time_ms)"
            " FILTER (WHERE event_type = 'delivered'),"
            " count(delivery_time_ms) FILTER (WHERE event_type = 'delivered'),"
            " count(*) FILTER (WHERE event_type IN ('delivered', 'bounced', 'deferred'))",
            answer,
            tail="GROUP BY 1",
        )
    }
    assert len(values) == len(exact)
    for one in values:
        average, p95, p99, count, outcomes = exact[one["value"]]
        times = one["delivery_ms"]
        assert times["count"] == count
        if count:
            assert times["average"] == pytest.approx(float(average))
            for got, wanted in ((times["p95"], p95), (times["p99"], p99)):
                assert abs(got - wanted) <= bin_width_ms(wanted)
        else:
            assert times == {"count": 0, "average": None, "p95": None, "p99": None}
        if outcomes:
            assert sum(one["ratios"].values()) == pytest.approx(1)
            assert one["ratios"]["delivered"] == one["events"].get("delivered", 0) / outcomes


SORTED_BY = {
    "value": lambda one: one["value"],
    "events": lambda one: sum(one["events"].values()),
    "bounced": lambda one: one["events"].get("bounced", 0),
    "bounced_ratio": lambda one: one["ratios"].get("bounced"),
    "size_bytes": lambda one: one["size_bytes"],
    "average_ms": lambda one: one["delivery_ms"]["average"],
    "p95_ms": lambda one: one["delivery_ms"]["p95"],
    "p99_ms": lambda one: one["delivery_ms"]["p99"],
}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", list(SORTED_BY))
def test_stats_are_sorted_and_paged_without_gap_or_repetition(get_json, sort, order):
    query = {"range": "7d", "by": "destination", "sort": sort, "order": order}
    whole, _ = all_stats(get_json, **query)

    pages = [
        one
        for offset in range(0, len(whole), 170)
        for one in get_json("email/stats", limit=170, offset=offset, **query)["values"]
    ]

    assert pages == whole
    keys = [SORTED_BY[sort](one) for one in whole]
    known = [key for key in keys if key is not None]
    assert known == sorted(known, reverse=order == "desc")
    assert keys[len(known) :] == [None] * (len(keys) - len(known))  # unknown ones come last
    values = [one["value"] for one in whole]
    for (before, key), (after, following) in pairwise(zip(values, keys, strict=True)):
        assert key != following or before < after


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_performance(get_json, raw, name):
    answer = get_json("email/performance", range=name, limit=100)

    bounds = (0, 1_000, 3_000, 10_000, 30_000, 60_000, 300_000, None)
    brackets = ", ".join(
        f"count(*) FILTER (WHERE delivery_time_ms >= {lower}"
        + (f" AND delivery_time_ms < {upper})" if upper else ")")
        for lower, upper in pairwise(bounds)
    )
    (counts,) = raw(brackets, answer, "event_type = 'delivered'")
    assert tuple(bracket["count"] for bracket in answer["histogram"]) == counts
    assert [(b["from"], b["to"]) for b in answer["histogram"]] == list(pairwise(bounds))
    ((average, count, *percentiles),) = raw(
        "avg(delivery_time_ms), count(delivery_time_ms),"
        " percentile_disc(0.95) WITHIN GROUP (ORDER BY delivery_time_ms),"
        " percentile_disc(0.99) WITHIN GROUP (ORDER BY delivery_time_ms)",
        answer,
        "event_type = 'delivered'",
    )
    times = answer["delivery_ms"]
    assert times["count"] == count == sum(one["count"] for one in answer["trend"])
    assert times["average"] == pytest.approx(float(average))
    for got, exact in zip((times["p95"], times["p99"]), percentiles, strict=True):
        assert abs(got - exact) <= bin_width_ms(exact)
    of_destination = dict(
        raw(
            "to_domain, count(delivery_time_ms)",
            answer,
            "event_type = 'delivered'",
            tail="GROUP BY 1",
        )
    )
    assert len(answer["destinations"]) == min(100, sum(n > 0 for n in of_destination.values()))
    for one in answer["destinations"]:
        assert one["count"] == of_destination[one["value"]]


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_sizes(get_json, raw, direction):
    answer = get_json("email/sizes", range="7d", direction=direction)

    sized = "delivered" if direction == "outbound" else "received"
    bounds = (0, 10_000, 100_000, 1_000_000, 5_000_000, 25_000_000, 2**62)
    brackets = ", ".join(
        f"count(*) FILTER (WHERE message_size_bytes >= {lower} AND message_size_bytes < {upper})"
        for lower, upper in pairwise(bounds)
    )
    ((average, count, *counts),) = raw(
        f"avg(message_size_bytes), count(message_size_bytes), {brackets}",
        answer,
        f"event_type = '{sized}'",
        direction=direction,
    )
    assert [bracket["count"] for bracket in answer["histogram"]] == counts
    assert answer["count"] == count == sum(one["count"] for one in answer["trend"])
    assert answer["average"] == pytest.approx(float(average))


def test_bounce_analysis(get_json, raw):
    answer = get_json("email/bounce-analysis", range="7d", limit=100)

    for key, column in [("types", "bounce_type"), ("categories", "bounce_category")]:
        counted = raw(
            f"coalesce({column}, ''), count(*)", answer, "event_type = 'bounced'", tail="GROUP BY 1"
        )
        assert {one["value"]: one["count"] for one in answer[key]} == dict(counted)
        assert answer["count"] == sum(count for _, count in counted)
    destinations = raw("to_domain, count(*)", answer, "event_type = 'bounced'", tail="GROUP BY 1")
    assert {one["value"]: one["count"] for one in answer["destinations"]} == dict(destinations)
    assert answer["samples_of"] == answer["count"]
    assert {one["category"] for one in answer["samples"]} > {"recipient", "spam", ""}
    counts: Counter[tuple[str, str]] = Counter()
    for category, reply, count in raw(
        "coalesce(bounce_category, ''), bounce_message, count(*)",
        answer,
        "event_type = 'bounced'",
        tail="GROUP BY 1, 2",
    ):
        counts[category, fingerprint(reply)] += count
    for sample in answer["samples"]:
        assert counts[sample["category"], sample["fingerprint"]] == sample["count"]
        assert sample["fingerprint"] == fingerprint(sample["reply"])

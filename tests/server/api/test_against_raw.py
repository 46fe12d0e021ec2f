"""What the levels answer, against straightforward SQL over the raw rows."""

from collections import Counter
from itertools import pairwise

import pytest

from server.events.replies import fingerprint
from server.rollups.declaration import DELIVERY_BOUNDS_MS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail")]
RANGES = ["1h", "6h", "24h", "7d", "30d"]
COLUMN_OF = {
    "domain": "from_domain",
    "destination": "to_domain",
    "node": "mta_node",
    "ip": "host(sending_ip)",
    "zone": "zone",
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


def added(buckets):
    totals = {}
    for bucket in buckets:
        for kind, count in bucket["events"].items():
            totals[kind] = totals.get(kind, 0) + count
    return totals


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
@pytest.mark.parametrize("name", RANGES)
def test_throughput_counts_what_is_there(ask, raw, name, direction):
    answer = ask("email/throughput", range=name, direction=direction)

    counted = dict(
        raw("event_type, count(*)", answer, direction=direction, tail="GROUP BY 1 ORDER BY 1")
    )
    assert added(answer["buckets"]) == counted
    assert sum(counted.values()) > 0
    inferred = raw("count(*)", answer, "certainty = 'inferred'", direction=direction)
    assert [(sum(b["inferred"] for b in answer["buckets"]),)] == inferred


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_throughput_by_day_counts_the_days_of_the_time_zone(ask, raw, zone):
    answer = ask("email/throughput", range="30d", tz=zone)

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
    assert answer["level"] == {"UTC": "daily", "Europe/Berlin": "1h", "Asia/Kolkata": "5m"}[zone]


@pytest.mark.parametrize(
    "by", ["node", "domain", "destination", "from_domain", "to_domain", "zone", "bounce"]
)
def test_the_series_of_all_values_add_up_to_the_whole(ask, by):
    answer = ask("email/throughput", range="7d", by=by, limit=100)

    whole = [b["events"] for b in answer["buckets"]]
    for i, events in enumerate(whole):
        assert added([series["buckets"][i] for series in answer["series"]]) == events


def test_the_largest_series_come_first_and_no_more_than_asked(ask, raw):
    answer = ask("email/throughput", range="7d", by="to_domain", limit=3)

    largest = raw("to_domain", answer, tail="GROUP BY 1 ORDER BY count(*) DESC, to_domain LIMIT 3")
    assert [series["value"] for series in answer["series"]] == [value for (value,) in largest]


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
@pytest.mark.parametrize("by", list(COLUMN_OF))
def test_stats_of_every_value(ask, raw, by, direction):
    answer = ask("email/stats", range="7d", by=by, direction=direction, limit=500)

    column = f"coalesce({COLUMN_OF[by]}, '')"
    counted = {}
    for value, kind, count in raw(
        f"{column}, event_type, count(*)", answer, direction=direction, tail="GROUP BY 1, 2"
    ):
        counted.setdefault(value, {})[kind] = count
    assert {one["value"]: one["events"] for one in answer["values"]} == counted
    assert answer["values_count"] == len(counted)
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
    assert {o["value"]: o["size_bytes"] for o in answer["values"] if o["size_bytes"]} == {
        value: size for value, size in sizes.items() if size
    }


def test_stats_times_are_right_within_a_bin_and_ratios_are_of_outcomes(ask, raw):
    answer = ask("email/stats", range="7d", by="destination")

    for one in answer["values"]:
        ((average, p95, count, outcomes),) = raw(
            "avg(delivery_time_ms) FILTER (WHERE event_type = 'delivered'),"
            " percentile_disc(0.95) WITHIN GROUP (ORDER BY delivery_time_ms),"
            " count(delivery_time_ms) FILTER (WHERE event_type = 'delivered'),"
            " count(*) FILTER (WHERE event_type IN ('delivered', 'bounced', 'deferred'))",
            answer,
            f"to_domain = '{one['value']}'",
        )
        times = one["delivery_ms"]
        assert times["count"] == count
        assert times["average"] == pytest.approx(float(average))
        assert abs(times["p95"] - p95) <= bin_width_ms(p95)
        assert sum(one["ratios"].values()) == pytest.approx(1)
        assert one["ratios"]["delivered"] == one["events"]["delivered"] / outcomes


def test_stats_are_sorted_and_paged_without_gap_or_repetition(ask):
    whole = ask("email/stats", range="7d", by="destination", sort="bounced_ratio", limit=500)

    pages = [
        one["value"]
        for offset in range(0, whole["values_count"], 2)
        for one in ask(
            "email/stats", range="7d", by="destination", sort="bounced_ratio", limit=2,
            offset=offset,
        )["values"]
    ]  # fmt: skip

    assert pages == [one["value"] for one in whole["values"]]
    ratios = [one["ratios"]["bounced"] for one in whole["values"]]
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_performance(ask, raw, name):
    answer = ask("email/performance", range=name)

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
    assert sum(one["count"] for one in answer["destinations"]) == count


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_sizes(ask, raw, direction):
    answer = ask("email/sizes", range="7d", direction=direction)

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


def test_bounce_analysis(ask, raw):
    answer = ask("email/bounce-analysis", range="7d")

    for key, column in [("types", "bounce_type"), ("categories", "bounce_category")]:
        counted = raw(
            f"coalesce({column}, ''), count(*)", answer, "event_type = 'bounced'", tail="GROUP BY 1"
        )
        assert {one["value"]: one["count"] for one in answer[key]} == dict(counted)
        assert answer["count"] == sum(count for _, count in counted)
    destinations = raw("to_domain, count(*)", answer, "event_type = 'bounced'", tail="GROUP BY 1")
    assert {one["value"]: one["count"] for one in answer["destinations"]} == dict(destinations)
    assert answer["samples_of"] == answer["count"]
    assert {one["category"] for one in answer["samples"]} == {"recipient", "spam", ""}
    said: Counter[tuple[str, str]] = Counter()
    for category, reply, count in raw(
        "coalesce(bounce_category, ''), bounce_message, count(*)",
        answer,
        "event_type = 'bounced'",
        tail="GROUP BY 1, 2",
    ):
        said[category, fingerprint(reply)] += count
    for sample in answer["samples"]:
        assert said[sample["category"], sample["fingerprint"]] == sample["count"]
        assert sample["fingerprint"] == fingerprint(sample["reply"])

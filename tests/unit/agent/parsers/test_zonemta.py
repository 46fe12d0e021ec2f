"""ZoneMTA's answers as they were recorded, and as they should not be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers import prometheus, zonemta
from agent.samples import ZoneDeliveries, ZoneQueue
from tests.damage import assert_sane
from tests.recorded import zonemta_answer


def test_the_counters_after_a_run_are_those_zonemta_counted(golden):
    readings = zonemta.parse_metrics(zonemta_answer("metrics-end"))

    assert msgspec.to_builtins(readings) == golden("metrics_zonemta.json")["zonemta"]
    assert ZoneDeliveries("default", "delivered", 5) in readings.deliveries


def test_a_zonemta_that_has_just_started_has_counted_nothing():
    readings = zonemta.parse_metrics(zonemta_answer("metrics-plain"))

    assert readings.started_at_s == 1795255497
    assert readings.messages_failed_count == 0


def test_an_older_version_counts_without_zones():
    readings = zonemta.parse_metrics('zonemta_delivery_status{status="delivered"} 3\n')

    assert readings.deliveries == [ZoneDeliveries("", "delivered", 3)]
    assert readings.started_at_s is None


@pytest.mark.parametrize("text", ["", "<html>", "node_cpu 5", zonemta_answer("counter-zone-empty")])
def test_what_is_not_zonemtas_is_refused(text):
    with pytest.raises(ValueError, match="no zonemta_"):
        zonemta.parse_metrics(text)


def test_what_waits_is_read_by_zone():
    readings = zonemta.parse_zones(zonemta_answer("counter-zone-empty").encode())

    assert readings == [
        ZoneQueue("bounces", 0, 0),
        ZoneQueue("dead", 0, 1),
        ZoneQueue("default", 0, 7),
    ]


@pytest.mark.parametrize(
    "body",
    [
        zonemta_answer("counter-zone-noslash").encode(),
        b"",
        b"[]",
        b'{"active":{"entries":[{"key":5}]},"deferred":{}}',
        zonemta_answer("counter-zone-empty").encode()[:-20],
    ],
)
def test_a_damaged_answer_of_the_zones_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 (msgspec's own words)
        zonemta.parse_zones(body)


def test_labels_may_hold_commas_quotes_and_line_ends():
    (series,) = prometheus.parse(r'a{b="x,\"y\"",c="1\n2",} 1.5e3 1795255497000')

    assert (series.name, series.labels, series.value) == ("a", {"b": 'x,"y"', "c": "1\n2"}, 1500)


def test_numbers_that_are_none_are_passed_over():
    text = "a NaN\nb +Inf\nc five\nd\n# TYPE e gauge\ne 1\n"

    assert [series.name for series in prometheus.parse(text)] == ["e"]


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ("a 17 1520879607.789", {}, 17),
        ("a 17 1.520879607e9", {}, 17),
        ("a 17 -3.5 ", {}, 17),
        ("a\t17\r", {}, 17),
        ('a{b="c"}17', {"b": "c"}, 17),
        ('a {b = "c" , d="e",} 17', {"b": "c", "d": "e"}, 17),
        ('a{le="0.01"} 11 # {trace_id="KOO5S4vxi0o"} 0.67', {"le": "0.01"}, 11),
        ('a{le="0.01"} 11 # {trace_id="x y"} 9.8 1520879607.789', {"le": "0.01"}, 11),
        ('a{le="+Inf"} 11 1520879607.7 # {} 9.8 1520879607.789', {"le": "+Inf"}, 11),
        ("a_total 17.0 # {} 1", {}, 17),
        ('a{b="} # {"} 1', {"b": "} # {"}, 1),
        ('a{b="\u2028x\x85"} 1', {"b": "\u2028x\x85"}, 1),
        ("a{} 1e-3", {}, 0.001),
    ],
)
def test_exemplars_timestamps_and_spaces_of_openmetrics_are_read(line, labels, value):
    parsed = prometheus.parse(f"# HELP a b\n{line}\n# EOF\n")

    (series,) = parsed
    assert (series.labels, series.value) == (labels, value)
    assert parsed.unreadable == []


@pytest.mark.parametrize(
    "line",
    [
        *("a", "a five", "a 1_000", "a 1,5", "a 1 yesterday", 'a{b="c" 1', "a{b=c} 1", "a{b} 1"),
        *('a{b="c"d="e"} 1', 'a{="c"} 1', "a17", 'a{b="c"} 1 # no exemplar', "a 1 2 3"),
    ],
)
def test_a_line_that_cannot_be_read_is_counted_and_its_name_unknown(line):
    parsed = prometheus.parse(f"{line}\nb 1\n")

    assert [series.name for series in parsed] == ["b"]
    assert len(parsed.unreadable) == 1
    assert len(parsed.unknown) == 1


def test_lines_past_the_bound_are_counted_and_not_zero(monkeypatch):
    monkeypatch.setattr(prometheus, "MAX_SERIES", 2)

    parsed = prometheus.parse("a 1\nb 2\nc 3\nd 4\n")

    assert (len(parsed.unreadable), parsed.unknown) == (2, {"c", "d"})


def test_a_counter_that_cannot_be_read_is_unknown_and_never_zero():
    unreadable = []

    readings = zonemta.parse_metrics(
        'zonemta_delivery_status{status="delivered"} 3\n'
        'zonemta_message_push{result="success"} 1,5\n'
        "zonemta_bounce_generation NaN\n"
        "zonemta_message_drop -4\n",
        unreadable=unreadable,
    )

    assert (readings.messages_taken_count, readings.bounces_made_count) == (None, None)
    assert (readings.dropped_count, readings.blacklisted_count) == (None, 0)
    assert unreadable == ['zonemta_message_push{result="success"} 1,5']


def test_deliveries_that_are_incomplete_are_no_reading():
    with pytest.raises(ValueError, match="zonemta_delivery_status cannot be read"):
        zonemta.parse_metrics(
            'zonemta_delivery_status{status="delivered"} 3\n'
            'zonemta_delivery_status{status="rejected"} x\n'
        )


@given(st.text())
def test_no_text_upsets_the_reader_of_prometheus(text):
    list(prometheus.parse(text))


@given(st.floats(), st.text())
def test_no_number_and_no_name_upsets_what_is_sent(value, name):
    escaped = name.replace("\\", "").replace('"', "").replace("\n", "")
    text = f'zonemta_message_drop {value}\nzonemta_delivery_status{{zone="{escaped}"}} {value}\n'
    try:
        readings = msgspec.to_builtins(zonemta.parse_metrics(text))
    except ValueError:
        return  # NaN and its like, and then there is nothing else
    assert_sane(readings)


def test_zones_of_another_kind_of_number_are_none():
    entries = b'{"key":"a\\u0000","value":-5},{"key":"b","value":%d}'
    body = b'{"active":{"entries":[' + entries + b']},"deferred":{}}'

    assert zonemta.parse_zones(body % 10**30) == [ZoneQueue("a", 0, 0), ZoneQueue("b", 0, 0)]

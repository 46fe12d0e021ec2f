"""The form and the preview of a rule, in words."""

from datetime import UTC, datetime, timedelta

from server.alerts.backtest.preview import Preview
from server.alerts.backtest.replay import Firing
from server.alerts.conditions.catalogue import CONDITIONS, DEFAULT_RULES
from server.alerts.conditions.condition import Subject
from server.dashboard.pages.rules import page

END = datetime(2026, 11, 21, tzinfo=UTC)
START = END - timedelta(days=30)
NODE = Subject("node", "mta-01", "mta-01")


def test_every_field_of_every_condition_has_a_label():
    names = {name for condition in CONDITIONS.values() for name in condition.fields}

    assert names == set(page.LABELS)


def test_a_preview_says_how_often_on_what_and_for_how_long():
    at = int(START.timestamp())
    firings = (Firing(NODE, at + 600, None, 99.0), Firing(NODE, at, at + 300, 97.123))
    preview = Preview(START, START + timedelta(minutes=20), firings, 3)

    assert page.describe_preview(preview) == (
        "It would have fired 2 times in 20 min, on 3 subjects with a history,"
        " for 15 min in all, the longest for 10 min."
    )
    rows = page.build_firings(preview, DEFAULT_RULES["cpu_high"]).rows
    assert [(row[2].text, row[2].note, row[3].text) for row in rows] == [
        ("10 min", "still", "99 %"),
        ("5 min", "", "97.1 %"),
    ]


def test_a_form_writes_patterns_by_the_line_and_leaves_out_what_is_empty():
    written = {"enabled": "off", "threshold": " ", "for": "5 min", "subject": " a*\r\n\r\nb "}

    assert page.parse_form(written, None) == {
        "enabled": False,
        "for": "5 min",
        "subject": ["a*", "b"],
    }

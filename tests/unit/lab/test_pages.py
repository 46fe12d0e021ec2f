"""Medians and report of the pages scenario."""

import json

from build.lab.scenarios.pages import Visit, format_json, format_text, take_medians


def visits(*usable_ms: float) -> list[Visit]:
    return [Visit(ms / 10, ms / 2, ms, int(ms)) for ms in usable_ms]


def test_one_slow_round_does_not_move_the_median():
    rounds = list(zip(visits(700, 690, 9_000), visits(300, 310, 320), strict=True))

    assert take_medians(rounds) == (Visit(70, 350, 700, 700), Visit(31, 155, 310, 310))


def test_the_last_line_has_the_first_visit_and_the_second_of_each_page():
    medians = {"overview": (*visits(720), *visits(310))}

    assert json.loads(format_json(medians)) == {
        "overview": {
            "usable_ms": 720,
            "first_paint_ms": 360,
            "bytes": 720,
            "again_usable_ms": 310,
            "again_bytes": 310,
        }
    }
    assert [line.split()[:2] for line in format_text(medians).splitlines()[2:]] == [
        ["overview", "first"],
        ["overview", "again"],
    ]

"""What `make bench-pages` makes of what it measured."""

import json

from build.bench_pages import Visit, as_json, as_text, middle


def visits(*usable_ms: float) -> list[Visit]:
    return [Visit(ms / 10, ms / 2, ms, int(ms)) for ms in usable_ms]


def test_one_slow_round_does_not_move_what_is_told():
    assert middle(visits(700, 690, 9_000)) == Visit(70, 350, 700, 700)


def test_the_last_line_has_the_first_visit_and_the_second_of_each_page():
    found = {"overview": list(zip(visits(700, 720, 740), visits(300, 310, 320), strict=True))}

    assert json.loads(as_json(found)) == {
        "overview": {
            "usable_ms": 720,
            "first_paint_ms": 360,
            "bytes": 720,
            "again_usable_ms": 310,
            "again_bytes": 310,
        }
    }
    assert [line.split()[:2] for line in as_text(found).splitlines()[2:]] == [
        ["overview", "first"],
        ["overview", "again"],
    ]

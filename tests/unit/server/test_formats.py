"""Numbers and times as people read them, by the vectors that the pages' scripts are tested with."""

import json

import pytest

from server import formats
from tests.paths import ROOT

VECTORS = ROOT / "server" / "dashboard" / "shell" / "tests" / "formats.json"
FORMATS = json.loads(VECTORS.read_text())
CHANGES = [
    (104, 100, "▲ 4 %"), (96, 100, "▼ 4 %"), (100, 100, "≈"), (1004, 1000, "≈"), (5, 0, ""),
    (5, None, ""), (3000, 100, "▲ 2,900 %"),
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_are_formatted_as_in_the_shared_vectors(name):
    apply = getattr(formats, name)

    assert [apply(*vector[:-1]) for vector in FORMATS[name]] == [v[-1] for v in FORMATS[name]]


@pytest.mark.parametrize(("count", "before", "text"), CHANGES)
def test_a_change_has_a_direction_and_is_empty_without_a_before(count, before, text):
    assert formats.change(count, before) == text

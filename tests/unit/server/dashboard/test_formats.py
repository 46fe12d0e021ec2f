"""The vectors the live page is tested with too, so that both say the same."""

import json

import pytest

from server.dashboard.shell import formats
from server.dashboard.shell.live.verdict import Verdict, overall, verdict
from tests.paths import ROOT

VECTORS = ROOT / "server" / "dashboard" / "shell" / "tests"
FORMATS = json.loads((VECTORS / "formats.json").read_text())
OVERALLS = json.loads((VECTORS / "overalls.json").read_text())
VERDICTS = json.loads((VECTORS / "verdicts.json").read_text())


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_are_said_as_the_shared_vectors_say(name):
    say = getattr(formats, name)

    assert [say(*vector[:-1]) for vector in FORMATS[name]] == [v[-1] for v in FORMATS[name]]


@pytest.mark.parametrize("case", VERDICTS, ids=lambda case: case["name"])
def test_the_verdict_is_the_shared_one(case):
    said = verdict(case["totals"])

    assert (said.level, said.text) == (case["level"], case["text"])


@pytest.mark.parametrize("case", OVERALLS, ids=lambda case: case["name"])
def test_the_verdict_over_all_is_the_shared_one(case):
    said = overall(Verdict(**case["judged"]), case["findings"], complete=case["complete"])

    assert (said.level, said.text) == (case["level"], case["text"])

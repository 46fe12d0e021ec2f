"""The real_mail scenario in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from build.deadline import stretch
from build.stack.paths import ROOT

#: The run ends by itself in time, and names what is missing; the rest is for start and end.
SHORT_RUN_WITHIN_S, START_AND_END_S = 600, 300


@pytest.mark.stack
def test_with_both_sources_and_harm_in_the_middle_every_event_is_captured_once(tmp_path: Path):
    within_s = stretch(SHORT_RUN_WITHIN_S)
    log = tmp_path / "stderr"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "build.lab", "real_mail"),
                *("--messages", "200", "--modes", "both", "--harm", "yes"),
                *("--within", str(within_s)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as lab,
    ):
        try:
            output, _ = lab.communicate(timeout=within_s + stretch(START_AND_END_S))
        except subprocess.TimeoutExpired:
            lab.terminate()  # it ends its programs
            output, _ = lab.communicate()

    assert lab.returncode == 0, log.read_text()
    verdict = json.loads(output.splitlines()[-1])
    assert verdict["messages"] == 200
    assert verdict["expected"] > 1000

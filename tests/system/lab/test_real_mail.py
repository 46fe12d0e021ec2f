"""The real_mail scenario in short."""

import json
import subprocess
import sys

import pytest

from build.stack.paths import ROOT

SHORT_RUN_WITHIN_S = 900


@pytest.mark.stack
def test_with_both_sources_and_harm_in_the_middle_every_event_is_captured_once():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "build.lab", "real_mail"),
            *("--messages", "200", "--modes", "both", "--harm", "yes"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SHORT_RUN_WITHIN_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["messages"] == 200
    assert verdict["expected"] > 1000

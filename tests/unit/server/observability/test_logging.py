"""The server's log in the journal: each record has its priority."""

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

RECORDS = """
{before}
import logging.config
from server.observability.logging import build_logging
logging.config.dictConfig(build_logging(level="DEBUG", formatter="{formatter}"))
for level in ("debug", "info", "warning", "error", "critical"):
    getattr(logging.getLogger("{logger}"), level)("of %s", level)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("{logger}").exception("it failed")
"""
#: journalctl -p: debug, info, warning, err, crit.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def log(tmp_path, formatter="line", *, journal=True, before="", logger="a"):
    """Return the lines that a process writes, with the journal as its standard error or without."""
    path = tmp_path / "log"
    with path.open("w") as stderr:
        info = os.fstat(stderr.fileno())
        # Inherited by all children of a service, wherever their output goes.
        stream = f"{info.st_dev}:{info.st_ino + (not journal)}"
        subprocess.run(
            [
                sys.executable,
                "-c",
                RECORDS.format(formatter=formatter, before=before, logger=logger),
            ],
            cwd=ROOT,
            env={**os.environ, "JOURNAL_STREAM": stream},
            stderr=stderr,
            check=True,
            timeout=60,
        )
    return path.read_text().splitlines()


@pytest.mark.parametrize("formatter", ["line", "json"])
def test_each_record_has_its_priority_in_the_journal(tmp_path, formatter):
    lines = log(tmp_path, formatter)

    for line, (level, priority) in zip(lines, PRIORITIES.items(), strict=False):
        assert line.startswith(f"<{priority}>")
        assert f"of {level}" in line


def test_each_line_of_a_traceback_has_it_too(tmp_path):
    lines = log(tmp_path)[len(PRIORITIES) :]

    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"


def test_elsewhere_a_record_has_no_priority(tmp_path):
    assert not [line for line in log(tmp_path, journal=False) if line.startswith("<")]


def test_the_web_servers_own_records_have_it_too(tmp_path):
    granian = "import granian.log\ngranian.log.configure_logging(granian.log.LogLevels.info)\n"

    lines = log(tmp_path, before=granian, logger="_granian")

    assert [line[:3] for line in lines[:4]] == ["<6>", "<4>", "<3>", "<2>"]

"""Log lines: one per record, whatever is in them."""

import io
import logging
import os

import pytest

from agent import logs


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_foreign_text_cannot_forge_a_line_or_move_the_cursor(stream):
    logs.configure("info", stream=stream)

    logging.getLogger("x").warning("reply %s", "554 no\r\nERROR forged\x1b[2J\u2028\x85")

    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "554 no\\r\\nERROR forged\\x1b[2J" in stream.getvalue()


def test_only_the_journal_gets_the_journals_lines():
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing):
        info = os.fstat(writing)
        ours = {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}

        assert logs.goes_to_journal(ours, descriptor=writing)
        assert not logs.goes_to_journal({"JOURNAL_STREAM": "1:2"}, descriptor=writing)
        assert not logs.goes_to_journal({}, descriptor=writing)


def test_a_traceback_is_one_line(stream):
    logs.configure("info", stream=stream)

    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("x").exception("it broke")

    assert stream.getvalue().count("\n") == 1
    assert "ValueError: inside" in stream.getvalue()


def test_the_journal_gets_the_level(stream):
    logs.configure("info", journal=True, stream=stream)

    logging.getLogger("x").error("bad")

    assert stream.getvalue().startswith("<3>ERROR ")


def test_a_repeated_warning_is_logged_once_and_its_end_too(caplog):
    warnings = logs.RateLimitedLog(logging.getLogger("x"))

    with caplog.at_level(logging.INFO):
        for _ in range(3):
            warnings.warn("down", "The server is down.")
        warnings.warn("other", "Another thing.")
        warnings.resolve("All is well.")
        warnings.resolve("All is well.")

    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["The server is down.", "Another thing.", "All is well."]

"""One run at a time in a directory."""

import os

import pytest

from build.stack import claim
from build.stack.errors import AlreadyRunningError


def test_a_second_run_reads_the_note_of_the_first(tmp_path):
    with claim.claim_directory(tmp_path) as held:
        held.write_note(address="http://127.0.0.1:8000")

        with pytest.raises(AlreadyRunningError) as caught, claim.claim_directory(tmp_path):
            pass

    assert caught.value.note["address"] == "http://127.0.0.1:8000"
    assert caught.value.note["pid"] == os.getpid()


def test_the_runner_is_found_by_number_and_start_time(tmp_path):
    with claim.claim_directory(tmp_path):
        runner = claim.find_runner(tmp_path)
        assert runner is not None
        assert runner.pid == os.getpid()

    assert claim.find_runner(tmp_path) is None


def test_a_note_without_a_lock_is_of_a_dead_run(tmp_path):
    with claim.claim_directory(tmp_path):
        note = (tmp_path / "runner.json").read_text()
    (tmp_path / "runner.json").write_text(note)

    assert not claim.is_claimed(tmp_path)
    assert claim.find_runner(tmp_path) is None
    with claim.claim_directory(tmp_path):
        pass

"""Programs start in order, end together, and never outlive the run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from build.stack.errors import StartError
from build.stack.paths import ROOT
from build.stack.supervisor import (
    MARK,
    Program,
    Supervisor,
    is_alive,
    leaving_no_child,
    pid_directory,
    stop_leftovers,
    tail,
)
from tests.waiting import until

DEADLINE_SECONDS = 10.0
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);"
    "time.sleep(600)",
]
# A leader with a child in its session, as mail programs and servers have them.
FAMILY = ["sh", "-c", "sleep 600 & echo $!; wait"]


def wait_for(condition, event):
    """Return the condition's first true value; fail after the deadline."""
    return until(condition, within_s=DEADLINE_SECONDS, poll_s=0.01, what=event)


def has_ended(pid):
    try:
        return not is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_programs_are_stopped_in_reverse_order(tmp_path):
    log = tmp_path / "ended"
    script = f"trap 'echo $0 >>{log}; exit' TERM; echo up; while :; do sleep 0.05; done"
    with Supervisor(tmp_path) as supervisor:
        for name in ("first", "second"):
            running = supervisor.spawn(Program(name=name, argv=["sh", "-c", script, name]))
            wait_for(lambda up=running: "up" in up.log_tail(), "its trap")

    assert log.read_text().split() == ["second", "first"]


def test_a_program_that_ends_before_it_answers_is_named_with_the_end_of_its_log(tmp_path):
    program = Program(
        name="broken", argv=["sh", "-c", "echo no such port; exit 3"], is_ready=lambda: False
    )

    with Supervisor(tmp_path) as supervisor, pytest.raises(StartError) as caught:
        supervisor.start(program)

    assert "broken ended with code 3" in str(caught.value)
    assert "no such port" in str(caught.value)


def test_a_program_that_never_answers_fails_at_its_deadline(tmp_path):
    program = Program(name="silent", argv=SLEEP, is_ready=lambda: False, ready_within_s=0.2)

    with Supervisor(tmp_path) as supervisor:
        with pytest.raises(StartError, match="silent did not answer within"):
            supervisor.start(program)
        pid = supervisor.programs[0].pid

    assert has_ended(pid)


def test_a_program_deaf_to_its_signal_is_killed_after_the_deadline(tmp_path):
    supervisor = Supervisor(tmp_path)
    running = supervisor.spawn(Program(name="deaf", argv=DEAF))
    wait_for(lambda: "deaf" in running.log_tail(), "its handler")

    supervisor.stop(within_s=0.2)

    assert running.exit_code == -signal.SIGKILL


def test_children_of_a_program_end_with_it(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        running = supervisor.spawn(Program(name="family", argv=FAMILY))
        child = int(wait_for(running.log.read_text, "its child's number"))
        running.kill()

        assert has_ended(child)


def test_children_whose_leader_was_killed_end_too(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        running = supervisor.spawn(Program(name="family", argv=FAMILY))
        child = int(wait_for(running.log.read_text, "its child's number"))
        os.kill(running.pid, signal.SIGKILL)
        wait_for(lambda: running.exit_code is not None, "its end")

        running.stop()

        assert has_ended(child)


def test_a_watched_program_is_started_again_until_its_restarts_are_used_up(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        running = supervisor.spawn(Program(name="worker", argv=SLEEP, restarts=1))
        outcomes = []
        for _ in range(2):
            os.kill(running.pid, signal.SIGKILL)
            wait_for(lambda: running.exit_code is not None, "its end")
            outcomes += [(ended.code, ended.started_again) for ended in supervisor.restart_ended()]

        assert outcomes == [(-signal.SIGKILL, True), (-signal.SIGKILL, False)]
        assert supervisor.programs == []


# A shell that starts tests in the background has SIGINT ignored, and an ignored signal is
# inherited.
RUNNER = """
import signal, sys, time
from pathlib import Path
from build.stack.supervisor import Program, Supervisor, end_on_signals
signal.signal(signal.SIGINT, signal.default_int_handler)
end_on_signals()
with Supervisor(Path(sys.argv[1])) as supervisor:
    for name in ("one", "two"):
        print(supervisor.spawn(Program(name=name, argv=["sleep", "600"])).pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_program_outlives_a_runner_that_gets_a_signal_or_is_killed(tmp_path, number):
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as runner:
        try:
            assert runner.stdout is not None
            pids = [int(runner.stdout.readline()) for _ in range(2)]
            for (
                pid
            ) in pids:  # before that it is still setpriv, which has not registered the signal yet
                wait_for(lambda pid=pid: psutil.Process(pid).name() == "sleep", "the program")
            runner.send_signal(number)
            runner.wait(timeout=DEADLINE_SECONDS)
        finally:
            runner.kill()

    for pid in pids:
        wait_for(lambda pid=pid: has_ended(pid), "the program's end")


def leave_behind(directory: Path) -> int:
    """Start a program the way a runner whose safety nets all failed would leave it."""
    process = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, MARK: str(directory)}, start_new_session=True
    )
    # The kernel shows a program's environment a moment after it has started.
    wait_for(lambda: psutil.Process(process.pid).environ().get(MARK), "its environment")
    note = {
        "name": "left",
        "pid": process.pid,
        "created_at": psutil.Process(process.pid).create_time(),
        "started_ns": 1,
        "stop_signal": int(signal.SIGTERM),
        "run": str(directory),
    }
    pid_directory(directory).mkdir(parents=True)
    (pid_directory(directory) / "left.json").write_text(json.dumps(note))
    process.returncode = 0  # no process waits for it any more
    return process.pid


def test_leftovers_of_an_earlier_run_are_ended_by_the_next(tmp_path):
    pid = leave_behind(tmp_path)

    assert stop_leftovers(tmp_path) == ["left"]
    assert has_ended(pid)
    assert list(pid_directory(tmp_path).iterdir()) == []


def test_a_stranger_that_got_an_old_number_is_left_alone(tmp_path):
    stranger = leave_behind(tmp_path / "another")
    note = json.loads((pid_directory(tmp_path / "another") / "left.json").read_text())
    pid_directory(tmp_path).mkdir()
    (pid_directory(tmp_path) / "left.json").write_text(
        json.dumps(note | {"created_at": note["created_at"] - 60, "run": str(tmp_path)})
    )
    try:
        assert stop_leftovers(tmp_path) == []
        assert not has_ended(stranger)
    finally:
        os.kill(stranger, signal.SIGKILL)


def test_a_program_that_was_never_written_down_is_found_by_its_mark(tmp_path):
    pid = leave_behind(tmp_path)
    (pid_directory(tmp_path) / "left.json").unlink()

    assert stop_leftovers(tmp_path) == [f"process {pid}"]
    assert has_ended(pid)


def test_a_half_written_process_file_is_removed(tmp_path):
    pid_directory(tmp_path).mkdir()
    (pid_directory(tmp_path) / "half.json").write_text('{"name": "ha')

    assert stop_leftovers(tmp_path) == []
    assert list(pid_directory(tmp_path).iterdir()) == []


def test_commands_below_commands_end_with_the_block_even_when_the_one_between_was_killed(tmp_path):
    numbers = tmp_path / "numbers"
    with leaving_no_child():
        with subprocess.Popen(["sh", "-c", f"sleep 600 & echo $! >{numbers}; wait"]) as shell:
            child = int(wait_for(lambda: numbers.exists() and numbers.read_text(), "its child"))
            shell.kill()
        assert not has_ended(child)

    assert has_ended(child)


def test_the_tail_of_a_log_is_its_last_lines_even_with_bytes_that_are_no_text(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo \xff\nthree\n")

    assert tail(log, 2) == "    two \ufffd\n    three"
    assert tail(tmp_path / "none") == "    (it wrote nothing)"

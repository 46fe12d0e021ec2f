"""Real processes, looked at through a /proc that shows them alone."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from agent.collectors.processes import ProcessWatch
from build.stack import redis as redis_stack
from build.stack.packages import node_program
from tests.programs import run_service
from tests.waiting import until

BUSY = "process.title = 'zone-mta: master process'; setInterval(() => {}, 1000);"


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


@pytest.fixture
def start(proc):
    """Start a process that the watch sees."""
    started = []

    def begin(*argv, **options):
        process = subprocess.Popen(argv, **options)
        started.append(process)
        (proc / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_a_redis_server_is_found_and_gone_when_it_ended(tmp_path, proc):
    watch = ProcessWatch(("redis",), proc=proc)
    assert watch.read()["redis"].status == "not_found"
    with run_service(redis_stack.start, tmp_path) as server:
        pid = server.running.pid
        (proc / str(pid)).symlink_to(f"/proc/{pid}")
        first, second = watch.read()["redis"], watch.read()["redis"]

    assert (first.status, first.pid, first.cpu_percent) == ("running", pid, None)
    assert first.memory_mb > 1
    assert first.processes_count == 1
    assert abs(first.started_at - datetime.now(UTC)) < timedelta(minutes=2)
    assert second.started_at == first.started_at
    assert second.cpu_percent is not None
    assert second.cpu_percent >= 0
    assert watch.read()["redis"].status == "stopped"


def test_a_title_given_after_the_start_is_seen(start, proc):
    watch = ProcessWatch(("zonemta",), proc=proc)
    process = start(node_program(), "-e", BUSY)

    result = until(lambda: (its := watch.read()["zonemta"]).pid and its)

    assert (result.status, result.pid) == ("running", process.pid)


def test_a_process_held_by_a_signal_is_stopped(start, proc, tmp_path):
    watch = ProcessWatch(("zonemta",), proc=proc)
    app = tmp_path / "zone-mta" / "app.js"
    app.parent.mkdir()
    app.write_text("setInterval(() => {}, 1000);")
    process = start(node_program(), "app.js", cwd=app.parent)
    until(lambda: watch.read()["zonemta"].status == "running")

    process.send_signal(signal.SIGSTOP)

    until(lambda: watch.read()["zonemta"].status == "stopped")


def test_an_editor_with_the_name_in_its_arguments_is_nothing(start, proc, tmp_path):
    start(sys.executable, "-c", "import time; time.sleep(60)", "/opt/zone-mta/app.js")
    start("bash", "-c", "exec -a redis-server sleep 60")
    os.mkfifo(tmp_path / "haraka")
    start("grep", "zone-mta: master process", str(tmp_path / "haraka"))
    start(node_program(), "-e", "setInterval(() => {}, 1000)", "/opt/wildduck/server.js")
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")

    readings = ProcessWatch(proc=proc).read()

    assert {its.status for its in readings.values()} == {"not_found"}


def test_only_programs_of_the_role_and_running_ones_are_reported(proc):
    assert ProcessWatch(("haraka", "rspamd"), proc=proc).read().keys() == {"haraka", "rspamd"}
    assert len(ProcessWatch(proc=proc).read()) == 6

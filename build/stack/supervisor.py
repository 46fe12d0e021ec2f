"""Starts programs, waits until they answer, and leaves none behind.

Every program leads a session of its own, so Ctrl-C in the terminal reaches only the runner, which
then stops them in reverse order. Two nets lie under that: the kernel sends a program its stop
signal when the runner dies (setpriv --pdeathsig), and a file per program with its process id and
start time lets the next run, or `make stop`, end what is left all the same.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

import psutil

from build.deadline import Deadline
from build.stack import claim
from build.stack.errors import MissingError, StartError
from build.stack.paths import LOGS, RUN

POLL_SECONDS = 0.05
STOP_WITHIN_SECONDS = 20.0
KILL_WITHIN_SECONDS = 5.0
RESTART_WINDOW_SECONDS = 60.0
MAX_LOG_BYTES = 50 * 1024 * 1024
LOG_TAIL_LINES = 15
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
# In every program's environment: marks it as ours, where another process got the same number.
MARK = "MALLARD_RUN"
TEMPORARY_RUNS = RUN / "exec"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to start, and how to know that it is up.

    `environment` is added to the runner's. A program ends when the *thread* that started it ends,
    so start from one that lives as long as the program should.
    """

    name: str
    argv: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    is_ready: Callable[[], bool] | None = None
    ready_within_s: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    restarts: int = 0  # of a watched one, within a minute


def python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


class Running:
    """A started program: its process, its log, and how to end it."""

    def __init__(self, program: Program, *, log: Path, pid_file: Path, run: str) -> None:
        self.program = program
        self.log = log
        self._pid_file = pid_file
        self._run = run
        self._created_at = 0.0
        self._process = self._spawn()
        self.restarted_at: list[float] = []  # on the monotonic clock

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def wait_until_ready(self) -> None:
        """Return when it answers. Raise StartError when it ends first or the deadline passes."""
        deadline = Deadline(self.program.ready_within_s)
        while True:
            if self.exit_code is not None:
                raise self._failure(f"ended with code {self.exit_code}")
            if self.program.is_ready is None or self.program.is_ready():
                return
            if deadline.is_over:
                raise self._failure(f"did not answer within {self.program.ready_within_s:.0f} s")
            time.sleep(POLL_SECONDS)

    def stop(self, *, within_s: float = STOP_WITHIN_SECONDS) -> None:
        """Send its stop signal; kill it and all its children if it has not ended in time."""
        self._end(self.program.stop_signal, within_s=within_s)

    def kill(self) -> None:
        """End it and all its children at once with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL, within_s=0)

    def start_again(self, *, wait: bool = True) -> None:
        """Start the same program again after it ended; with `wait` return when it answers."""
        if self.exit_code is None:
            self.stop()
        self._process = self._spawn()
        if wait:
            self.wait_until_ready()

    def log_tail(self) -> str:
        return tail(self.log)

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = self.program
        if (launcher := shutil.which("setpriv")) is None:
            raise MissingError("setpriv is missing (apt-get install util-linux)")
        stop = program.stop_signal.name.removeprefix("SIG")
        argv = [launcher, "--pdeathsig", stop, "--", *map(str, program.argv)]
        for folder in (self.log.parent, self._pid_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        shrink(self.log)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                cwd=program.cwd,
                env={**os.environ, **program.environment, MARK: self._run},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._created_at = psutil.Process(process.pid).create_time()
        note = {
            "name": program.name,
            "pid": process.pid,
            "created_at": self._created_at,
            "started_ns": time.monotonic_ns(),
            "stop_signal": int(program.stop_signal),
            "run": self._run,
        }
        self._pid_file.write_text(json.dumps(note))
        return process

    def _end(self, number: signal.Signals, *, within_s: float) -> None:
        processes = family(self.pid, created_at=self._created_at, run=self._run)
        end(processes, number, within_s=within_s, reap=self._process.poll)
        self._process.wait(timeout=KILL_WITHIN_SECONDS)
        self._pid_file.unlink(missing_ok=True)

    def _failure(self, event: str) -> StartError:
        end = f"the end of {self.log}:\n{self.log_tail()}"
        return StartError(f"{self.program.name} {event}; {end}")


@dataclass(frozen=True)
class Ended:
    """A program that ended by itself: its exit code, and the last lines it wrote."""

    running: Running
    code: int
    log_tail: str
    started_again: bool


class Supervisor:
    """Starts programs one after the other and stops them in reverse order.

    `directory` names the run; process files lie in it, logs in `log_directory` or its `log`.
    """

    def __init__(self, directory: Path, *, log_directory: Path | None = None) -> None:
        self.directory = directory
        self.log_directory = log_directory or directory / "log"
        self.programs: list[Running] = []
        self.on_stop = contextlib.ExitStack()

    def __enter__(self) -> Self:
        stop_leftovers(self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, program: Program) -> Running:
        running = self.spawn(program)
        running.wait_until_ready()
        return running

    def spawn(self, program: Program) -> Running:
        running = Running(
            program,
            log=self.log_directory / f"{program.name}.log",
            pid_file=pid_directory(self.directory) / f"{program.name}.json",
            run=str(self.directory),
        )
        self.programs.append(running)
        return running

    def stop(self, *, within_s: float = STOP_WITHIN_SECONDS) -> None:
        """Stop everything in reverse order, all within one deadline; then kill what is left."""
        deadline = time.monotonic() + within_s
        with hold_interrupts():
            while self.programs:
                self.programs[-1].stop(within_s=max(0.0, deadline - time.monotonic()))
                self.programs.pop()
            self.on_stop.close()

    def restart_ended(self) -> Iterator[Ended]:
        """Yield what has ended since; what may not be started again is yielded once."""
        for running in list(self.programs):
            code = running.exit_code
            shrink(running.log)
            if code is None:
                continue
            log_tail, now = running.log_tail(), time.monotonic()
            recent = [at for at in running.restarted_at if now - at < RESTART_WINDOW_SECONDS]
            may_restart = len(recent) < running.program.restarts
            running.stop()  # children of a leader that died
            if may_restart:
                running.restarted_at = [*recent, now]
                with contextlib.suppress(StartError):  # it ended again, as the next round reports
                    running.start_again()
            else:
                self.programs.remove(running)
            yield Ended(running, code, log_tail, may_restart)


@contextlib.contextmanager
def temporary_run(name: str = "") -> Iterator[Supervisor]:
    """Supervise the block's programs in a directory of this process, or of this name for one run at
    a time; removed at the end.

    First end what earlier such runs left behind.
    """
    sweep_temporary_runs()
    directory = TEMPORARY_RUNS / (name or str(os.getpid()))
    with claim.claim_directory(directory):
        try:
            with Supervisor(directory, log_directory=LOGS / (name or "test")) as supervisor:
                yield supervisor
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def sweep_temporary_runs() -> list[str]:
    """End the programs of dead temporary runs and remove their data; return the programs' names."""
    names = []
    for directory in TEMPORARY_RUNS.glob("*"):
        if not claim.is_claimed(directory):
            names += stop_leftovers(directory)
            shutil.rmtree(directory, ignore_errors=True)
    return names


def family(leader: int, *, created_at: float, run: str) -> list[psutil.Process]:
    """Return the living processes of the session that `leader` leads or led, the leader first.

    Sessions below it count too (PostgreSQL's children lead their own). Known by start time, or by
    the mark they inherited: another process that got an old number is never in the list.
    """
    members: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        if abs(process.create_time() - created_at) < 1:
            members = {each.pid: each for each in [process, *process.children(recursive=True)]}
    for process in find_marked(run):
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == leader:
                members.setdefault(process.pid, process)
    return list(members.values())


def is_alive(process: psutil.Process) -> bool:
    """Return whether it still runs; a zombie does not."""
    try:
        # The first thread of a program may have ended before the others, which hold its files.
        return bool(
            process.is_running()
            and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
        )
    except psutil.NoSuchProcess:
        return False


def end(
    processes: Sequence[psutil.Process],
    number: signal.Signals,
    *,
    within_s: float,
    reap: Callable[[], object] = lambda: None,
) -> None:
    """Send the first process a signal, wait for all of them, then SIGKILL what is left.

    Only the first gets it: a program knows best how to end its children.
    """
    steps = ((processes[:1], number, within_s), (processes, signal.SIGKILL, KILL_WITHIN_SECONDS))
    for signalled, each, wait_s in steps:
        for process in signalled:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(each)
        deadline = time.monotonic() + wait_s
        while True:
            reap()
            if not any(map(is_alive, processes)):
                return
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)


def pid_directory(directory: Path) -> Path:
    return directory / "pid"


def stop_leftovers(directory: Path, *, within_s: float = STOP_WITHIN_SECONDS) -> list[str]:
    """End the programs an earlier run in `directory` left behind; return their names."""
    notes = []
    for path in pid_directory(directory).glob("*.json"):
        try:
            notes.append((path, json.loads(path.read_text())))
        except (OSError, ValueError):
            path.unlink(missing_ok=True)  # half written: the runner died between two lines
    notes.sort(key=lambda pair: pair[1]["started_ns"], reverse=True)
    deadline = time.monotonic() + within_s
    names = []
    for path, note in notes:
        processes = family(note["pid"], created_at=note["created_at"], run=note["run"])
        if processes:
            names.append(note["name"])
            remaining_s = max(0.0, deadline - time.monotonic())
            end(processes, signal.Signals(note["stop_signal"]), within_s=remaining_s)
        path.unlink(missing_ok=True)
    # A runner killed between starting a program and writing its file down.
    for stray in find_marked(str(directory)):
        names.append(f"process {stray.pid}")
        end([stray], signal.SIGTERM, within_s=max(0.0, deadline - time.monotonic()))
    return names


def find_marked(run: str) -> list[psutil.Process]:
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == run:
                processes.append(process)
    return processes


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        text = ""
    last = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) or "    (it wrote nothing)"


def shrink(log: Path) -> None:
    """Move a log that has grown past its bound aside, in place: the program keeps it open."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back while stopping, so that an impatient second one leaves nothing.

    A no-op outside the main thread, where signals never arrive.
    """
    is_main = threading.current_thread() is threading.main_thread()
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if is_main else ()
    before = {each: signal.signal(each, signal.SIG_IGN) for each in caught}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def leaving_no_child() -> Iterator[None]:
    """End every process below this one when the block ends, whatever started it and how deep.

    For commands that run on their own, such as npm or a compiler. Orphans come to us instead of
    init, so a killed shell does not hide its children.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        with hold_interrupts():
            deadline = time.monotonic() + KILL_WITHIN_SECONDS
            while children := psutil.Process().children(recursive=True):
                for child in children:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
                psutil.wait_procs(children, timeout=KILL_WITHIN_SECONDS)  # reaps what came to us
                if time.monotonic() > deadline:
                    break
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP unwind as Ctrl-C does, so that `with` blocks stop their programs."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, unwind)
    signal.signal(signal.SIGHUP, unwind)

"""`python -m build.stack_test.cost`: what the plugins cost ZoneMTA and Haraka.

Four variants, by turns: no plugin; the plugin with an agent that takes its events; with nobody at
the socket; with one there that takes connections and says nothing. All messages are taken by the
sink. The last lines of standard output are JSON, one a program and variant: medians of the rounds.
"""

import argparse
import contextlib
import json
import shutil
import smtplib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from build.bench.arrangement import say
from build.stack import agent, feeder, haraka, mongodb, redis, sink, zonemta
from build.stack.errors import StackError
from build.stack.feeder import Message
from build.stack.paths import RUN, socket_directory
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Running, Supervisor, end_on_signals
from build.stack_test.run_outbound import wait

DIRECTORY = RUN / "exec" / "plugin-cost"
VARIANTS = ("off", "on", "agent stopped", "agent hanging")
CONNECTIONS = 4
RECIPIENTS = 3
BODY_BYTES = 2_000
WITHIN_S = 300.0
MIB = 2**20
KEY = "mlrd_nobody_listens_to_this_key"


@dataclass(frozen=True)
class Measured:
    """One round. `seconds`: from the first message to the last one at the sink; `*_ms`: of one
    message, from its first command to the reply that takes it."""

    seconds: float
    median_ms: float
    p99_ms: float
    cpu_s: float
    rss_mb: float


def main() -> int:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m build.stack_test.cost", description=__doc__)
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", default="zonemta,haraka")
    options = parser.parse_args()
    end_on_signals()
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    try:
        for program in options.programs.split(","):
            found: dict[str, list[Measured]] = {variant: [] for variant in VARIANTS}
            for number in range(options.rounds):
                for variant in VARIANTS:
                    found[variant].append(measure(program, variant, options.messages))
                    say(f"  {program}, {variant}, round {number + 1}: {found[variant][-1]}")
            for variant, rounds in found.items():
                print(as_json(program, variant, options.messages, rounds), flush=True)
    except StackError as error:
        say(f"mallard: {error}")
        return 1
    finally:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
    return 0


def as_json(program: str, variant: str, messages: int, rounds: Sequence[Measured]) -> str:
    """Return the medians of all rounds as one line."""

    def median(name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in rounds))

    return json.dumps(
        {
            "program": program,
            "plugin": variant,
            "messages": messages,
            "rounds": len(rounds),
            "messages_per_s": round(messages / median("seconds"), 1),
            "median_ms": round(median("median_ms"), 1),
            "p99_ms": round(median("p99_ms"), 1),
            "cpu_ms_per_message": round(1000 * median("cpu_s") / messages, 2),
            "rss_mb": round(median("rss_mb")),
        }
    )


def measure(program: str, variant: str, messages: int) -> Measured:
    """Run one round on programs of its own."""
    home = DIRECTORY / "round"
    shutil.rmtree(home, ignore_errors=True)
    with Supervisor(home) as supervisor, plugin_socket(supervisor, home, variant) as listening:
        receiving = sink.start(supervisor, home)
        started, port = START[program](supervisor, home, receiving.port, listening)
        cpu_before_s, _ = usage(started)
        load = Load(port, messages, proxy=program == "haraka")
        began_s = time.monotonic()
        load.run()
        if len(load.latencies_ms) < messages:
            message = f"{program} took {len(load.latencies_ms)} of {messages} messages"
            raise StackError(message)
        wait(lambda: len(receiving.truth()) >= messages * RECIPIENTS, within_s=WITHIN_S)
        seconds = time.monotonic() - began_s
        cpu_s, rss_mb = usage(started)
    latencies = sorted(load.latencies_ms)
    return Measured(
        seconds=seconds,
        median_ms=statistics.median(latencies),
        p99_ms=latencies[int(len(latencies) * 0.99)],
        cpu_s=cpu_s - cpu_before_s,
        rss_mb=rss_mb,
    )


def start_zonemta(
    supervisor: Supervisor, home: Path, sink_port: int, listening: Path | None
) -> tuple[Running, int]:
    """Start a ZoneMTA with its databases; return it and where it takes mail."""
    mongo = mongodb.start(supervisor, home)
    cache = redis.start(supervisor, home)
    mta = zonemta.start(
        supervisor,
        home,
        mongo_uri=mongo.uri_of(zonemta.DATABASE),
        redis_port=cache.port,
        sink_port=sink_port,
        plugin_socket=listening,
    )
    return mta.running, mta.smtp_port


def start_haraka(
    supervisor: Supervisor, home: Path, sink_port: int, listening: Path | None
) -> tuple[Running, int]:
    """Start a Haraka without filters; return it and where it takes mail."""
    mx = haraka.start(supervisor, home, sink_port=sink_port, plugin_socket=listening)
    return mx.running, mx.smtp_port


START = {"zonemta": start_zonemta, "haraka": start_haraka}


@contextlib.contextmanager
def plugin_socket(supervisor: Supervisor, home: Path, variant: str) -> Iterator[Path | None]:
    """Give the socket the plugin is told of, with what the variant puts there; None: no plugin."""
    if variant == "off":
        yield None
    elif variant == "on":
        nowhere = f"http://{LOOPBACK}:{free_port()}"
        started = agent.start(supervisor, home, server_url=nowhere, api_key=KEY)
        yield started.socket
    elif variant == "agent stopped":
        yield socket_directory(home / "agent-run") / "receiver.sock"
    else:
        path = socket_directory(home / "agent-run") / "receiver.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(64)
            yield path  # the kernel takes connections; nobody ever reads them


class Load:
    """All messages over some connections at once, as fast as they are taken."""

    def __init__(self, port: int, messages: int, *, proxy: bool) -> None:
        self.latencies_ms: list[float] = []
        self._port = port
        self._proxy = proxy
        self._todo = list(range(messages))

    def run(self) -> None:
        """Hand all in."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)

    def _work(self) -> None:
        connection = _Client(LOOPBACK, self._port, proxy=self._proxy)
        with contextlib.closing(connection):
            while self._todo:
                with contextlib.suppress(IndexError):
                    message = _message(self._todo.pop())
                    began_s = time.monotonic()
                    feeder.submit(connection, message)
                    self.latencies_ms.append(1000 * (time.monotonic() - began_s))


class _Client(smtplib.SMTP):
    """An SMTP client that may begin with HAProxy's line."""

    def __init__(self, host: str, port: int, *, proxy: bool) -> None:
        self._proxy = proxy
        super().__init__(host, port, timeout=60)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        if self._proxy:
            opened.sendall(haraka.proxy_line("203.0.113.5"))
        return opened


def _message(number: int) -> Message:
    return Message(
        message_id=f"<cost-{number}@corp.example>",
        sender="alice@corp.example",
        recipients=tuple(f"ok-{number}-{n}@Local.example" for n in range(RECIPIENTS)),
        body_bytes=BODY_BYTES,
    )


def usage(running: Running) -> tuple[float, float]:
    """Return the processor seconds and the resident MiB of a program with all its children."""
    cpu_s = rss = 0.0
    leader = psutil.Process(running.pid)
    for process in [leader, *leader.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss += process.memory_info().rss
    return cpu_s, rss / MIB


if __name__ == "__main__":
    sys.exit(main())

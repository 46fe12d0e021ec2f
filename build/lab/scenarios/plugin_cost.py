"""The plugins in ZoneMTA and Haraka: CPU and latency.

Four variants, by turns: no plugin; the plugin with an agent that accepts its events; with nothing
at the socket; with a listener that accepts connections and never answers. The sink accepts all
messages. The last lines of standard output are JSON, one a program and variant: medians.
"""

import argparse
import contextlib
import json
import smtplib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from build.lab import usage
from build.lab.report import compute_percentile
from build.lab.traffic import wait_until
from build.stack import agent, feeder, haraka, mongodb, redis, sink, zonemta
from build.stack.command import report_progress
from build.stack.feeder import Message
from build.stack.haraka import ProxiedSmtp
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Running, Supervisor, temporary_run

VARIANTS = ("off", "on", "agent stopped", "agent hanging")
CONNECTIONS = 4
RECIPIENTS = 3
BODY_BYTES = 2_000
WITHIN_S = 300.0
POLL_S = 0.1
TIMEOUT_S = 60
KEY = "mlrd_nobody_listens_to_this_key"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace) -> int:
    for program in ("zonemta", "haraka"):
        rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for number in range(1, options.rounds + 1):
            for variant, its in rounds.items():
                its.append(measure(program, variant, options.messages))
                report_progress(f"  {program}, {variant}, round {number}: {its[-1]}")
        for variant, its in rounds.items():
            print(format_json(program, variant, options.messages, its), flush=True)
    return 0


def format_json(
    program: str, variant: str, messages: int, rounds: Sequence[Mapping[str, float]]
) -> str:
    head = {"program": program, "plugin": variant, "messages": messages, "rounds": len(rounds)}
    medians = {name: round(median(one[name] for one in rounds), 1) for name in rounds[0]}
    return json.dumps(head | medians)


def measure(program: str, variant: str, messages: int) -> dict[str, float]:
    """Return the rate from the first message to the last one at the sink, and the time of one, from
    its first command to the reply that accepts it."""
    with (
        temporary_run("plugin-cost") as supervisor,
        open_plugin_socket(supervisor, variant) as listening,
    ):
        receiving = sink.start(supervisor)
        running, port = start_program(program, supervisor, receiving.port, listening)
        cpu_s = usage.read_cpu_s(running.pid)
        latencies_ms: list[float] = []

        def send_all(numbers: range) -> None:
            with contextlib.closing(connect(program, port)) as client:
                for number in numbers:
                    to = tuple(f"ok-{number}-{n}@Local.example" for n in range(RECIPIENTS))
                    message = Message(
                        message_id=f"<cost-{number}@corp.example>",
                        sender="alice@corp.example",
                        recipients=to,
                        body_bytes=BODY_BYTES,
                    )
                    sent_at = time.monotonic()
                    feeder.submit(client, message)
                    latencies_ms.append(1000 * (time.monotonic() - sent_at))

        began_s = time.monotonic()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(send_all, (range(n, messages, CONNECTIONS) for n in range(CONNECTIONS))))
        answers = messages * RECIPIENTS
        wait_until(lambda: len(receiving.truth()) >= answers, within_s=WITHIN_S, poll_s=POLL_S)
        took_s = time.monotonic() - began_s
        return {
            "messages_per_s": messages / took_s,
            "median_ms": median(latencies_ms),
            "p99_ms": compute_percentile(latencies_ms, 0.99) or 0.0,
            "cpu_ms_per_message": 1000 * (usage.read_cpu_s(running.pid) - cpu_s) / messages,
            "rss_mb": usage.read_rss_mib(running.pid),
        }


def connect(program: str, port: int) -> smtplib.SMTP:
    if program == "haraka":
        return ProxiedSmtp(port, "203.0.113.5")
    return smtplib.SMTP(LOOPBACK, port, timeout=TIMEOUT_S)


def start_program(
    program: str, supervisor: Supervisor, sink_port: int, listening: Path | None
) -> tuple[Running, int]:
    """Start a ZoneMTA with its databases or a Haraka without filters; return it and its port."""
    home = supervisor.directory
    to: dict[str, Any] = {"sink_port": sink_port, "plugin_socket": listening}
    started: haraka.Haraka | zonemta.ZoneMta
    if program == "haraka":
        started = haraka.start(supervisor, home, **to)
    else:
        uri = mongodb.start(supervisor, home).uri_of(zonemta.DATABASE)
        keys = redis.start(supervisor, home)
        started = zonemta.start(supervisor, home, mongo_uri=uri, redis_port=keys.port, **to)
    return started.running, started.smtp_port


@contextlib.contextmanager
def open_plugin_socket(supervisor: Supervisor, variant: str) -> Iterator[Path | None]:
    """Yield the socket for the plugin with what the variant puts there; None: no plugin."""
    path = agent.receiver_socket(supervisor.directory)
    if variant == "off":
        yield None
    elif variant == "on":
        nowhere = f"http://{LOOPBACK}:{free_port()}"
        yield agent.start(supervisor, supervisor.directory, server_url=nowhere, api_key=KEY).socket
    elif variant == "agent stopped":
        yield path
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(64)
            yield path  # the kernel accepts connections; nothing ever reads them

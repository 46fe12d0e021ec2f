"""One run of incoming mail: real Haraka, Rspamd where there is one, agent and server."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from build.bench.arrangement import Arrangement, say
from build.stack import agent, haraka, rspamd, sink
from build.stack.supervisor import Supervisor
from build.stack_test import inbound
from build.stack_test.compare import Verdict
from build.stack_test.inbound import Mail, Told
from build.stack_test.run_outbound import DOWN_S, HARMED, QUIET_S, wait

MODE = "haraka"
CONNECTIONS = 4
POLL_S = 2.0


class Delivery:
    """All messages over some connections at once; `told` is complete when it is over."""

    def __init__(self, port: int, mails: Sequence[Mail]) -> None:
        self.told: list[Told] = []
        self._port = port
        self._count = len(mails)
        self._todo = list(reversed(mails))
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def done_ratio(self) -> float:
        """How much of it is handed in."""
        return 1.0 - len(self._todo) / self._count

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to hand in."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        for mail in self._taken():
            told = inbound.deliver(self._port, mail)
            with self._lock:
                self.told += told

    def _taken(self) -> Iterator[Mail]:
        while True:
            with self._lock:
                if not self._todo:
                    return
                mail = self._todo.pop()
            yield mail


def run(
    arrangement: Arrangement, directory: Path, *, node: str, messages: int, harmed: bool
) -> Verdict:
    """Run it; `harmed`: with the agent killed and the server down in the middle."""
    began_s = time.monotonic()
    logs = arrangement.supervisor.log_directory / node
    with Supervisor(directory, log_directory=logs) as supervisor:
        watching = agent.start(
            supervisor,
            directory,
            server_url=arrangement.server.url,
            api_key=arrangement.keys[node],
            node=node,
            environment={"NODE_ROLE": "haraka"},
        )
        with_rspamd = rspamd.is_installed()
        filters = (
            rspamd.start(supervisor, directory, redis_port=arrangement.redis.port)
            if with_rspamd
            else None
        )
        mx = haraka.start(
            supervisor,
            directory,
            sink_port=sink.start(supervisor, directory).port,
            redis_port=arrangement.redis.port,
            rspamd_port=filters.scan_port if filters else None,
            plugin_socket=watching.socket,
        )
        delivery = Delivery(mx.smtp_port, list(inbound.mails(messages, with_rspamd=with_rspamd)))
        delivery.start()
        harms = (watching.running, arrangement.server.web) if harmed else ()
        for share, program in enumerate(harms, start=1):
            wait(lambda s=share: delivery.done_ratio >= s / (len(harms) + 1))  # type: ignore[misc]
            program.kill()
            time.sleep(DOWN_S)
            program.start_again()
        wait(lambda: delivery.is_over, within_s=3600)
        delivery.told += inbound.refuse_without_recipient(mx.smtp_port)
        await_rows(arrangement, node)
        verdict = judge(
            MODE + (HARMED if harmed else ""),
            messages,
            told=delivery.told,
            captured=captured(arrangement, node),
        )
        say(f"  {verdict.mode}: {time.monotonic() - began_s:.0f} s")
    return verdict


def captured(arrangement: Arrangement, node: str) -> list[Told]:
    """Return what the server has of a node."""
    rows = arrangement.rows(
        "SELECT event_type, to_address, from_address, host(client_ip), message_size_bytes,"
        " coalesce(status_message, ''), bounce_category FROM email_events WHERE mta_node = %s",
        node,
    )
    return [Told(*row) for row in rows]


def await_rows(arrangement: Arrangement, node: str) -> None:
    """Return when the number of rows stays as it is."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        now = len(captured(arrangement, node))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(POLL_S)


def judge(mode: str, messages: int, *, told: Sequence[Told], captured: Sequence[Told]) -> Verdict:
    """Hold what was captured against what Haraka told its clients: each outcome, and `received`
    before it. Pure."""
    wanted = Counter(told) + Counter(one.received for one in told)
    found = Counter(captured)
    verdict = Verdict(mode, messages, expected=wanted.total())
    absent, extra = list((wanted - found).elements()), list((found - wanted).elements())
    for one in list(extra):
        if one in wanted:
            extra.remove(one)
            verdict.twice += 1
            verdict.note("twice", str(one))
    of: dict[tuple[str, str | None], list[Told]] = {}
    for one in extra:
        of.setdefault((one.event_type, one.recipient), []).append(one)
    for one in absent:
        others = of.get((one.event_type, one.recipient))
        if others:
            verdict.wrong += 1
            verdict.note("wrong", f"{others.pop()} for {one}")
        else:
            verdict.missing += 1
            verdict.note("missing", str(one))
    verdict.unexpected = sum(len(others) for others in of.values())
    return verdict

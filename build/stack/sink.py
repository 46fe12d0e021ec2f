"""An SMTP server that plays all receiving servers: the recipient's local part decides.

`bounce-7@anywhere.example` is refused, `ok-7@…` accepted, and so on (ANSWERS). Every final answer
goes, a JSON object a line, to a log that tests compare with Mallard's counts.

    python -m build.stack.sink --port 2626 --log truth.jsonl
"""

import argparse
import asyncio
import email
import json
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from aiosmtpd.controller import UnthreadedController

from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK, answers, free_port
from build.stack.supervisor import Program, Running, Supervisor, python

SIZE_LIMIT_BYTES = 50_000_000
SLOW_SECONDS = 3.0
HOST_NAME = "mx.sink.test"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A refusal after RCPT TO or after DATA; the mail is accepted without one."""

    at_rcpt: str = ""
    at_data: str = ""
    first_time_only: bool = False
    after_s: float = 0.0
    hangs_up: bool = False


ACCEPTED = Answer()
ANSWERS: Mapping[str, Answer] = {
    "ok": ACCEPTED,
    "slow": Answer(after_s=SLOW_SECONDS),
    "once": Answer(at_rcpt="451 4.3.0 first attempt deferred", first_time_only=True),
    "defer": Answer(at_rcpt="451 4.3.0 Temporary system problem, try again later"),
    "grey": Answer(at_rcpt="450 4.2.0 Recipient address rejected: Greylisted, try again later"),
    "rate": Answer(at_rcpt="421 4.7.0 Too many connections, rate limit exceeded"),
    "bounce": Answer(at_rcpt="550 5.1.1 The email account that you tried to reach does not exist"),
    "full": Answer(at_rcpt="552 5.2.2 The email account that you tried to reach is over quota"),
    "policy": Answer(at_rcpt="554 5.7.1 Message rejected due to content policy (spam)"),
    "black": Answer(
        at_rcpt="554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using "
        "zen.spamhaus.org"
    ),
    "datareject": Answer(at_data="550 5.7.1 Message content rejected"),
    "drop": Answer(hangs_up=True),
}


def answer_to(recipient: str) -> Answer:
    """Return the answer for an address: that of its local part up to the first hyphen."""
    kind = recipient.partition("@")[0].partition("-")[0].lower()
    return ANSWERS.get(kind, ACCEPTED)


@dataclass(frozen=True)
class Sink:
    """A started sink and its log."""

    port: int
    log: Path
    running: Running

    def truth(self) -> list[dict[str, Any]]:
        """Return its final answers so far, oldest first; see `Handler` for the fields."""
        if not self.log.exists():
            return []
        complete, _, _unfinished = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]


def start(supervisor: Supervisor, directory: Path, *, port: int | None = None) -> Sink:
    """Start one; its log is `directory`/sink/truth.jsonl, continued if it is there."""
    home = directory / "sink"
    home.mkdir(parents=True, exist_ok=True)
    log = home / "truth.jsonl"
    port = port or free_port()
    running = supervisor.start(
        Program(
            name="sink",
            argv=[*python("build.stack.sink"), "--port", str(port), "--log", log],
            cwd=ROOT,
            is_ready=lambda: answers(port),
        )
    )
    return Sink(port=port, log=log, running=running)


class Handler:
    """Answers one SMTP command at a time and writes down every final answer.

    A line has `at` (RFC 3339), `stage` (rcpt, data), `sender` (`<>` for a DSN), `recipient`,
    `reply`, `client_ip`, `message_id` and `size_bytes` (both null when refused before DATA).
    """

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._seen: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802  (the library's names)
        self, _server: Any, session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Refuse the recipient here if its answer is at RCPT TO."""
        answer = answer_to(address)
        self._seen[address] += 1
        if answer.at_rcpt and not (answer.first_time_only and self._seen[address] > 1):
            self._write("rcpt", session, envelope, recipient=address, reply=answer.at_rcpt)
            return answer.at_rcpt
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Accept or refuse the message; the first recipient decides."""
        answer = answer_to(envelope.rcpt_tos[0])
        if answer.after_s:
            await asyncio.sleep(answer.after_s)
        reply = answer.at_data or "250 2.0.0 OK taken"
        if answer.hangs_up:
            server.transport.close()
            reply = "421 4.3.0 bye"
        for recipient in envelope.rcpt_tos:
            self._write("data", session, envelope, recipient=recipient, reply=reply)
        return reply

    def _write(
        self, stage: str, session: Any, envelope: Any, *, recipient: str, reply: str
    ) -> None:
        content: bytes | None = envelope.content
        headers = email.message_from_bytes(content or b"")
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "stage": stage,
            "sender": envelope.mail_from or "<>",
            "recipient": recipient,
            "reply": reply,
            "client_ip": session.peer[0],
            "message_id": headers.get("Message-ID"),
            "size_bytes": None if content is None else len(content),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


async def serve(port: int, log: TextIO) -> None:
    """Answer on `port` until SIGTERM or Ctrl-C."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    controller = UnthreadedController(
        Handler(log),
        hostname=LOOPBACK,
        port=port,
        loop=loop,
        server_hostname=HOST_NAME,
        data_size_limit=SIZE_LIMIT_BYTES,
    )
    server = await loop.create_server(controller.factory, LOOPBACK, port)
    async with server:
        await stop.wait()


def main() -> int:
    """Serve until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.stack.sink", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    with options.log.open("a") as log:
        asyncio.run(serve(options.port, log))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

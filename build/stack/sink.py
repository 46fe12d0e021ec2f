"""An SMTP server that plays all receiving servers: the recipient's local part decides.

`bounce-7@anywhere.example` is refused, `ok-7@…` accepted, and so on (mail.toml). Every final answer
is recorded, for tests that compare them with Mallard's counts.
"""

import asyncio
import email
import logging
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Supervisor

SIZE_LIMIT_BYTES = 50_000_000
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
MIX = tomllib.loads(Path(__file__).with_name("mail.toml").read_text())
ANSWERS = {name: Answer(**answer) for name, answer in MIX["answers"].items()}


def answer_to(recipient: str) -> Answer:
    """Return the answer for an address: that of its local part up to the first hyphen."""
    kind = recipient.partition("@")[0].partition("-")[0].lower().strip('"')
    return ANSWERS.get(kind, ACCEPTED)


def decide(recipient: str, _client_ip: str) -> Answer:
    return answer_to(recipient)


def start(supervisor: Supervisor) -> "Sink":
    """Start one in this process, until the supervisor stops."""
    sink = Sink(free_port())
    controller = Controller(
        sink,
        hostname=LOOPBACK,
        port=sink.port,
        server_hostname=HOST_NAME,
        data_size_limit=SIZE_LIMIT_BYTES,
        enable_SMTPUTF8=True,
    )
    logging.getLogger("mail").setLevel(logging.WARNING)  # or it logs every command
    controller.start()
    supervisor.on_stop.callback(controller.stop)
    return sink


class Sink:
    """Answers one SMTP command at a time, and holds every final answer, oldest first.

    An answer has `sender` (`<>` for a DSN), `recipient`, `reply`, `client_ip`, `message_id` and
    `size_bytes` (both None when refused before DATA).
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.decide: Callable[[str, str], Answer] = decide  # an incident of the demo replaces it
        self._answers: list[dict[str, Any]] = []
        self._seen: Counter[str] = Counter()

    def truth(self) -> list[dict[str, Any]]:
        return self._answers.copy()

    async def handle_RCPT(  # noqa: N802  (the library's names)
        self, _server: Any, session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        answer = self.decide(address, session.peer[0])
        self._seen[address] += 1
        if answer.at_rcpt and not (answer.first_time_only and self._seen[address] > 1):
            self._record(session, envelope, recipient=address, reply=answer.at_rcpt)
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
            self._record(session, envelope, recipient=recipient, reply=reply)
        return reply

    def _record(self, session: Any, envelope: Any, *, recipient: str, reply: str) -> None:
        content: bytes | None = envelope.content
        answer = {
            "sender": envelope.mail_from or "<>",
            "recipient": recipient,
            "reply": reply,
            "client_ip": session.peer[0],
            "message_id": email.message_from_bytes(content or b"").get("Message-ID"),
            "size_bytes": None if content is None else len(content),
        }
        self._answers.append(answer)

"""Users of a real WildDuck, mail to them by LMTP, and their logins by IMAP."""

import imaplib
import smtplib
import ssl
from collections.abc import Mapping
from typing import Any

from build.stack.ports import LOOPBACK
from build.stack.wildduck import WildDuck

PASSWORD = "a user's password"
SENDER = "sender@ext.example"
TIMEOUT_S = 30


def make_user(wildduck: WildDuck, name: str, **more: Any) -> str:
    """Make a user with the address of its name at in.example; return its id."""
    user = {"username": name, "password": PASSWORD, "address": address(name), **more}
    return str(wildduck.post("/users", user)["id"])


def address(name: str) -> str:
    return f"{name}@in.example"


def add_filter(wildduck: WildDuck, user: str, action: Mapping[str, Any]) -> str:
    """Make a filter of all mail of SENDER; return its id."""
    filter_ = {"name": "all", "query": {"from": SENDER}, "action": action}
    return str(wildduck.post(f"/users/{user}/filters", filter_)["id"])


def answer_mail(wildduck: WildDuck, user: str) -> None:
    reply = {"status": True, "subject": "away", "text": "I am away."}
    wildduck.call("PUT", f"/users/{user}/autoreply", reply)


def deliver(wildduck: WildDuck, name: str) -> None:
    """Deliver a message with a subject and a body of its own."""
    message = (
        f"From: {SENDER}\r\nTo: {address(name)}\r\nSubject: a secret\r\n"
        f"Message-ID: <{name}@ext.example>\r\n\r\nanother secret\r\n"
    )
    with smtplib.LMTP(LOOPBACK, wildduck.lmtp_port) as client:
        client.sendmail(SENDER, [address(name)], message)


def log_in(wildduck: WildDuck, name: str, password: str = PASSWORD) -> bool:
    """Log in by IMAP; return whether that was allowed."""
    context = ssl._create_unverified_context()
    client = imaplib.IMAP4_SSL(LOOPBACK, wildduck.imap_port, ssl_context=context, timeout=TIMEOUT_S)
    try:
        client.login(name, password)
    except imaplib.IMAP4.error:
        return False
    finally:
        client.logout()
    return True

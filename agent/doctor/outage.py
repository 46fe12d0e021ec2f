"""Checks of the webhook that is called while the server is not reached."""

import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from agent import clock
from agent.config import Config
from agent.doctor.finding import Finding
from agent.doctor.running import describe_age
from agent.transport.outage import Outage
from agent.transport.outage_webhook import FILE_NAME, build_body, load
from agent.transport.webhook import CallError, Webhook

SUBJECT = "outage webhook"
TEST_COMMAND = "mallard-agent doctor --call-webhook"


def check_outage_webhook(config: Config) -> Iterator[Finding]:
    """Say whether somebody is called in an outage of the server, and how the last call fared."""
    settings = config.outage_webhook
    if not settings.url:
        yield Finding(
            "note",
            SUBJECT,
            "None is configured: while the server is away, this node notifies nobody.",
            "Set url in [outage_webhook] on at least one node.",
        )
        return
    state = load(Path(config.state_dir) / FILE_NAME)
    yield judge_calls(state, after_s=settings.after_s, now=clock.utc_now())


def judge_calls(state: Outage, *, after_s: float, now: datetime) -> Finding:
    """Return the finding about the calls so far. Pure."""
    line = f"It is called when no request was accepted for {after_s / 60:g} min; "
    if state.last_called_at is None:
        return Finding("ok", SUBJECT, f"{line}it never was. {TEST_COMMAND} tests it.")
    age = describe_age(now - state.last_called_at)
    calls = "1 call" if state.calls_total == 1 else f"{state.calls_total} calls"
    line += f"{calls}, {state.failures_total} failed, the last ({state.last_kind}) {age} ago"
    if state.last_error:
        fix = f"Check its address and the network, then run {TEST_COMMAND}."
        return Finding("warning", SUBJECT, f"{line}: {state.last_error}.", fix)
    return Finding("ok", SUBJECT, f"{line} was accepted.")


def call_webhook(config: Config) -> Finding:
    """Call the webhook with a test."""
    settings = config.outage_webhook
    if not settings.url:
        return Finding("failure", SUBJECT, "There is none to test.", "Set url in [outage_webhook].")
    key = secrets.token_hex(16)
    body = build_body("test", node=config.node_id, server=config.backend.url, key=key)
    try:
        Webhook(settings.url.reveal(), settings.secret.reveal()).call(body, key=key)
    except CallError as error:
        fix = "Check its address, its secret and the network."
        return Finding("failure", SUBJECT, f"The test failed: {error}.", fix)
    return Finding("ok", SUBJECT, "It accepted a test.")

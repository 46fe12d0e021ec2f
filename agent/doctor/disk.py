"""Checks of the disk spool: its contents, the space it may need, gaps of the change stream."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent import clock
from agent.config import Config
from agent.doctor.finding import Finding
from agent.doctor.plugins import judge_plugins
from agent.doctor.running import describe_age
from agent.errors import SpoolError
from agent.spool import read_summary

MAX_GAP_AGE = timedelta(days=7)
# A batch is tried again after a minute at most; what waits longer is not being accepted.
MAX_WAIT = timedelta(minutes=2)


def check_spool(config: Config) -> Iterator[Finding]:
    """Read the spool beside a running agent and judge it."""
    directory = Path(config.state_dir)
    try:
        summary = read_summary(directory)
    except SpoolError as error:
        line, _, fix = str(error).partition(". ")
        yield Finding("note", "spool", f"{line.rstrip('.')}.", fix)
        summary = None
    yield judge_disk(directory, config)
    if summary is not None:
        now = clock.utc_now()
        yield from judge_spool(summary, now=now)
        yield from judge_plugins(summary["plugin"], now=now)
        yield from judge_gaps(summary["stream_gaps"], now=now)
        yield from judge_wildduck_gaps(summary["wildduck_gaps"], now=now)


def judge_gaps(gaps: list[dict[str, Any]], *, now: datetime) -> Iterator[Finding]:
    for gap in gaps:
        if now - datetime.fromisoformat(gap["to_at"]) > MAX_GAP_AGE:
            continue
        begin = gap["from_at"] or "the beginning"
        lost = "not counted yet" if gap["lost_count"] is None else gap["lost_count"]
        yield Finding(
            "warning",
            "change stream",
            f"It has a gap from {begin} to {gap['to_at']}: {gap['reason']}. Recipients that left"
            f" the queue in it: {lost}.",
            "Events that ZoneMTA's plugin reported are not affected; see docs/capture.md.",
        )


def judge_wildduck_gaps(gaps: list[dict[str, Any]], *, now: datetime) -> Iterator[Finding]:
    for gap in gaps:
        if now - datetime.fromisoformat(gap["to_at"]) <= MAX_GAP_AGE:
            begin = gap["from_at"] or "the beginning"
            yield Finding(
                "warning",
                "wildduck stream",
                f"It has a gap from {begin} to {gap['to_at']}: {gap['reason']}. Deliveries and"
                " logins in it are not known.",
                "If the agent was down for less than a day, enlarge MongoDB's oplog.",
            )


def judge_disk(directory: Path, config: Config) -> Finding:
    """Return whether the spool's file system has space for the spool's maximum."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    reserve = config.spool.min_free_bytes
    line = f"{format_size(free)} free at {directory}"
    if free < reserve:
        return Finding(
            "failure",
            "disk",
            f"{line}: less than min_free_bytes of [spool], so the spool does not grow and the"
            " oldest events are dropped while the server is unreachable.",
            "Free space there, or move AGENT_STATE_DIR to another disk.",
        )
    if free < reserve + config.spool.max_event_bytes:
        return Finding(
            "warning",
            "disk",
            f"{line}: the spool cannot grow to its maximum of"
            f" {format_size(config.spool.max_event_bytes)}.",
            "Free space there, or lower max_event_bytes in [spool].",
        )
    return Finding("ok", "disk", f"{line}.")


def format_size(count: int) -> str:
    """Return bytes in the largest unit of which they are at least one: "4.0 GiB", "48.0 MiB"."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def judge_spool(summary: dict[str, Any], *, now: datetime) -> Iterator[Finding]:
    events = summary["events"]
    oldest = events["oldest_at"]
    if oldest and now - datetime.fromisoformat(oldest) > MAX_WAIT:
        age = describe_age(now - datetime.fromisoformat(oldest))
        yield Finding(
            "warning",
            "spool",
            f"{events['count']} events wait, the oldest for {age} (since {oldest}).",
            "The lines on server, key, receiver and sending name the cause; nothing is lost while"
            " the spool has room.",
        )
    else:
        yield Finding("ok", "spool", f"{events['count']} events wait, {events['sent']} were sent.")
    if lost := events["dropped"]:
        line = f"{lost} events were dropped so far because the spool was full."
        fix = "Was the server unreachable for long, or the disk full?"
        yield Finding("warning", "spool", line, fix)
    if aside := summary["set_aside_count"]:
        line = f"The spool was damaged and replaced {aside} times; its events are not sent."
        names = ", ".join(summary["damaged_files"])
        fix = f"Check the disk (dmesg, smartctl). Damaged files: {names or 'none left'}."
        yield Finding("warning", "spool", line, fix)
    if failed := summary["failed_commits_count"]:
        line = f"{failed} commits of the spool failed; the plugins retry."
        yield Finding("warning", "spool", line, "Was the disk full? The agent's log gives times.")
    if postponed := events["postponed"]:
        line = f"The server refuses {postponed} of the waiting events for now."
        fix = (
            "Synchronise the clock (timedatectl set-ntp true); check API_KEY and NODE_ID. They are"
            " sent again every five minutes."
        )
        yield Finding("warning", "spool", line, fix)
    if refused := events["refused"]:
        line = f"{refused} events were refused by the server so far."
        fix = "The agent's log gives the reasons, with the first event of each."
        yield Finding("warning", "spool", line, fix)

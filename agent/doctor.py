"""`mallard-agent doctor`: looks at all the agent depends on, says what to mend, changes nothing."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent import clock
from agent.collectors import ports
from agent.config import Config, Loaded
from agent.discovery import ports_of, programs_of
from agent.errors import SpoolError
from agent.events import knock
from agent.events.examination import examine
from agent.events.receiver import SOCKET_NAME
from agent.finding import Finding
from agent.spool import read_summary
from agent.transport.client import Client, Outcome, Verdict

# An empty batch: it needs the key and the scope, and adds nothing.
DOOR, NOTHING = "/api/v1/events/ingest", b"[]"
# The Date header has whole seconds.
SKEW_NOTICED = timedelta(seconds=5)
# The door refuses events of more than ten minutes ahead; long before that, pages look odd.
SKEW_MOST = timedelta(seconds=60)
GAP_SHOWN = timedelta(days=7)
PLUGIN_SILENT = timedelta(hours=1)
WAITING_LONG = timedelta(minutes=5)
KEY_STATUSES = (401, 403)


def findings(loaded: Loaded) -> Iterator[Finding]:
    """Yield what is found, in the order in which a person should mend it."""
    config = loaded.config
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _configuration(loaded),
        lambda: _server(config),
        lambda: _mongodb(config),
        lambda: _agent(config),
        lambda: _spool(config),
        lambda: _ports(config),
    ]
    for check in checks:
        yield from check()


def _configuration(loaded: Loaded) -> Iterator[Finding]:
    for warning in loaded.warnings:
        line, _, fix = warning.rpartition(". ")
        yield Finding("warning", "configuration", f"{line or fix}.".replace("..", "."), fix)
    config = loaded.config
    role = config.node_role or "none given"
    line = f"node {config.node_id}, role {role}, server {config.backend.url}."
    yield Finding("ok", "configuration", line)


def _server(config: Config) -> Iterator[Finding]:
    client = Client(config.backend)
    try:
        before = clock.utc_now()
        outcome = client.post(DOOR, NOTHING, answer_needed=True)
        middle = before + (clock.utc_now() - before) / 2
    finally:
        client.close()
    yield from judge_answer(outcome, config.backend.url)
    if outcome.server_at is not None:
        yield judge_skew(middle - outcome.server_at)


def judge_answer(outcome: Outcome, url: str) -> Iterator[Finding]:
    """Return what the door's answer says of server and key. Pure."""
    fix = outcome.fix.strip()
    line = f"{outcome.reason.removesuffix(outcome.fix).rstrip('. ')}."
    if outcome.verdict is Verdict.ACCEPTED:
        yield Finding("ok", "server", f"{url} takes what is sent.")
        yield Finding("ok", "key", "The server knows it, and it may send events.")
    elif outcome.status in KEY_STATUSES:
        yield Finding("ok", "server", f"{url} answers.")
        yield Finding("failure", "key", line, fix)
    elif outcome.verdict is Verdict.KEEP:
        yield Finding("failure", "server", line, fix)
    else:
        fix = "Check DASHBOARD_URL, the way there (firewall, proxy, certificate) and the server."
        yield Finding("failure", "server", line, fix)


def judge_skew(ahead: timedelta) -> Finding:
    """Return what it means that this clock is `ahead` of the server's. Pure."""
    off = abs(ahead)
    side = "ahead of" if ahead > timedelta(0) else "behind"
    text = f"This clock is {off.total_seconds():.0f} s {side}"
    if off <= SKEW_NOTICED:
        return Finding("ok", "clock", "It agrees with the server's.")
    return Finding(
        "warning" if off <= SKEW_MOST else "failure",
        "clock",
        f"{text} the server's.",
        "Synchronise both: timedatectl set-ntp true, or chrony. Events more than 10 minutes ahead"
        " are refused.",
    )


def _mongodb(config: Config) -> Iterator[Finding]:
    uri = config.discovery.zonemta_mongodb_uri
    if uri:
        yield from examine(uri, instance=config.discovery.zonemta_instance)
        return
    if "zonemta" in programs_of(config.node_role):
        yield Finding(
            "warning",
            "mongodb",
            "No change stream: what ZoneMTA's plugin misses stays unknown.",
            "Set AGENT_ZONEMTA_MONGODB_URI to ZoneMTA's database.",
        )


def _agent(config: Config) -> Iterator[Finding]:
    if not config.receiver.enabled:
        yield Finding("note", "receiver", "It is switched off in [receiver].")
        return
    path = Path(config.runtime_dir) / SOCKET_NAME
    try:
        said = knock.ask(path)
    except OSError as error:
        yield Finding(
            "warning",
            "receiver",
            f"Nobody answers at {path} ({error.strerror or error}).",
            "Start the agent (systemctl start mallard-agent); if it runs, AGENT_RUNTIME_DIR of it"
            " and of this command must be the same.",
        )
        return
    if said is None:
        yield Finding("failure", "receiver", f"What answers at {path} is not the agent.")
        return
    yield Finding("ok", "receiver", f"The agent runs and listens at {path}.")
    for name, stuck_s in sorted(said.stuck_s.items()):
        yield Finding(
            "warning",
            "sources",
            f"{name} of the running agent has been at it for {stuck_s:.0f} s and does not come"
            " back; its readings are missing, the others go on.",
            "What it reads hangs: look at that program, at dmesg and at mounts that do not answer."
            " When they are well again and it still hangs, restart the agent.",
        )


def _spool(config: Config) -> Iterator[Finding]:
    directory = Path(config.state_dir)
    try:
        summary = read_summary(directory)
    except SpoolError as error:
        line, _, fix = str(error).partition(". ")
        yield Finding("note", "spool", f"{line.rstrip('.')}.", fix)
        summary = None
    yield judge_disk(directory, config)
    if summary is not None:
        yield from judge_spool(summary, now=clock.utc_now())
        yield from judge_gaps(summary["stream_gaps"], now=clock.utc_now())


def judge_gaps(gaps: list[dict[str, Any]], *, now: datetime) -> Iterator[Finding]:
    """Yield the gaps of the change stream that are not long past. Pure."""
    for gap in gaps:
        if now - datetime.fromisoformat(gap["to_at"]) > GAP_SHOWN:
            continue
        begin = gap["from_at"] or "the beginning"
        lost = "not counted yet" if gap["lost_count"] is None else gap["lost_count"]
        yield Finding(
            "warning",
            "change stream",
            f"Nothing is known of {begin} to {gap['to_at']}: {gap['reason']}. Recipients that left"
            f" the queue in it: {lost}.",
            "What ZoneMTA's plugin told is there all the same; docs/capture.md says more.",
        )


def judge_disk(directory: Path, config: Config) -> Finding:
    """Return whether the spool may grow to its bound where it lies."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    wanted = config.spool.min_free_bytes
    shown = f"{free / 2**30:.1f} GiB free at {directory}"
    if free < wanted:
        return Finding(
            "failure",
            "disk",
            f"{shown}: less than min_free_bytes of [spool], so the spool does not grow and the"
            " oldest events are dropped when the server is away.",
            "Free space there, or move AGENT_STATE_DIR to another disk.",
        )
    if free < wanted + config.spool.max_event_bytes:
        return Finding(
            "warning",
            "disk",
            f"{shown}: the spool cannot grow to its bound of"
            f" {config.spool.max_event_bytes / 2**30:.1f} GiB.",
            "Free space there, or lower max_event_bytes in [spool].",
        )
    return Finding("ok", "disk", f"{shown}.")


def judge_spool(summary: dict[str, Any], *, now: datetime) -> Iterator[Finding]:
    """Return what the spool's contents say of the server and of the plugin. Pure."""
    events = summary["events"]
    oldest = events["oldest_at"]
    if oldest and now - datetime.fromisoformat(oldest) > WAITING_LONG:
        line = f"{events['count']} events wait, the oldest since {oldest}."
        yield Finding("warning", "spool", line, "See the lines on the server and the key.")
    else:
        yield Finding("ok", "spool", f"{events['count']} events wait, {events['sent']} were sent.")
    if lost := events["dropped"]:
        line = f"{lost} events were dropped so far because the spool was full."
        yield Finding("warning", "spool", line, "Was the server away for long, or the disk full?")
    if aside := summary["set_aside_count"]:
        line = f"The spool was damaged {aside} times and begun anew; what waited in it is not sent."
        names = ", ".join(summary["damaged_files"])
        fix = f"Check the disk (dmesg, smartctl). Kept: {names or 'no file any more'}."
        yield Finding("warning", "spool", line, fix)
    if failed := summary["failed_commits_count"]:
        line = f"{failed} times the spool could not be written; the plugins were told to try again."
        yield Finding("warning", "spool", line, "Was the disk full? The agent's log says when.")
    if refused := events["refused"]:
        line = f"{refused} events were refused by the server so far."
        yield Finding("warning", "spool", line, "The agent's log says why, with the first of each.")
    heard, dropped = summary["plugin"]["heard_at"], summary["plugin"]["dropped"]
    if heard is None:
        yield Finding(
            "warning",
            "plugin",
            "No plugin of a mail program was ever heard from.",
            "Install it (agent/plugins in the source, or the Ansible role) and restart the program;"
            " without it replies of remote servers are not known.",
        )
    elif now - datetime.fromisoformat(heard) > PLUGIN_SILENT:
        line = f"No plugin was heard from since {heard}."
        fix = "Is there no mail, or was the plugin switched off by an upgrade?"
        yield Finding("warning", "plugin", line, fix)
    else:
        yield Finding("ok", "plugin", f"Heard from at {heard}.")
    if dropped:
        line = f"The plugins dropped {dropped} events that they could not hand over."
        yield Finding("warning", "plugin", line, "The mail program's own log says why.")


def _ports(config: Config) -> Iterator[Finding]:
    numbers = ports_of(programs_of(config.node_role), config.discovery.ports)
    if not numbers:
        yield Finding(
            "note",
            "ports",
            "None is looked at: the role names no program.",
            "Set NODE_ROLE, like zonemta-outbound, or ports in [discovery].",
        )
        return
    for port, answers in ports.check(numbers).finish().items():
        if answers:
            yield Finding("ok", "ports", f"{port} takes connections.")
        else:
            fix = "Is the program running, and does NODE_ROLE say what this node does?"
            yield Finding("warning", "ports", f"{port} takes none.", fix)

"""Checks of what is read of WildDuck: its change stream's rights, and GELF's losses."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pymongo.errors import PyMongoError

from agent.config import Config, Secret
from agent.doctor.finding import Finding
from agent.errors import SpoolError
from agent.events.change_stream import database as mongodb
from agent.events.gelf import receiver
from agent.events.wildduck import database
from agent.roles import programs_of
from agent.spool import read_summary

READ = ("messages", "authlog", "mailboxes", "users")


def check_mailbox(config: Config) -> Iterator[Finding]:
    if config.follows_wildduck:
        yield examine(config.discovery.wildduck_mongodb_uri)
    elif "wildduck" in programs_of(config.node_role):
        yield Finding(
            "note",
            "wildduck",
            "Its database is not followed: deliveries into mailboxes and logins stay unknown.",
            f"Set {database.SETTING}, on one node of each WildDuck cluster.",
        )
    if config.gelf.port:
        try:
            counters = read_summary(Path(config.state_dir))["counters"]
        except SpoolError:
            return  # the check of the spool names the reason
        yield from judge_gelf(counters)


def examine(uri: Secret) -> Finding:
    """Return whether WildDuck's database can be followed, else with what to run."""
    names = database.names(uri.reveal())
    where = uri.reveal().rpartition("@")[2].partition("://")[2].partition("?")[0]
    where = where or uri.reveal().rpartition("@")[2].partition("?")[0]
    try:
        with mongodb.connect(uri.reveal()) as client:
            db = client.get_default_database()
            with db.watch(database.pipeline(), max_await_time_ms=mongodb.AWAIT_MS) as stream:
                stream.try_next()
            for name in READ:
                db[name].find_one({}, {"_id": 1})
    except PyMongoError as error:
        line, _, fix = mongodb.explain(error, where=where, names=names)[1].partition("). ")
        return Finding("failure", "wildduck rights", f"{line})." if fix else line, fix)
    return Finding("ok", "wildduck rights", f"{db.name} can be read and its changes followed.")


def judge_gelf(counters: Mapping[str, int]) -> Iterator[Finding]:
    """Yield findings of the receiver's counters since the spool's file was created."""
    taken, ignored = counters.get(receiver.TAKEN, 0), counters.get(receiver.IGNORED, 0)
    if not taken + ignored:
        yield Finding(
            "warning",
            "gelf",
            "No record has ever arrived.",
            "Point the programs' graylogHostname and graylogPort at the agent, enable gelf in each"
            " and restart them (docs/capture.md).",
        )
    else:
        yield Finding("ok", "gelf", f"{taken} events; {ignored} other records were ignored.")
    for name, what, fix in (
        (
            receiver.KERNEL_DROPS,
            "datagrams were dropped by the kernel",
            "Raise receive_buffer_bytes of [gelf] and net.core.rmem_max.",
        ),
        (receiver.UNREADABLE, "datagrams could not be read", "The agent's log gives the reason."),
        (receiver.FOREIGN, "datagrams came from hosts that may not send", "See allow of [gelf]."),
        (receiver.DROPPED, "events were dropped: the spool could not write", "Was the disk full?"),
        (receiver.RELAY_FAILED, "datagrams were not relayed", "See relay_to of [gelf]."),
    ):
        if count := counters.get(name):
            yield Finding("warning", "gelf", f"{count} {what}.", fix)

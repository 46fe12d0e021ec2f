"""Checks of ZoneMTA's MongoDB: what the change stream needs, from the connection to the oplog."""

from collections.abc import Iterator
from typing import Any

from pymongo.errors import PyMongoError

from agent.config import Config, Secret
from agent.doctor.finding import Finding
from agent.events.change_stream import database, zonemta
from agent.roles import programs_of

# The longest outage of the agent that should leave no gap in the change stream: a day.
MAX_OUTAGE_S = 86_400
FULL_RATIO = 0.9
MAX_INSTANCES = 10
_HOUR_S = 3600


def check_mongodb(config: Config) -> Iterator[Finding]:
    uri = config.discovery.zonemta_mongodb_uri
    if uri:
        yield from examine(uri, instance=config.discovery.zonemta_instance)
    elif "zonemta" in programs_of(config.node_role):
        yield Finding(
            "warning",
            "mongodb",
            "No change stream: events that ZoneMTA's plugin misses stay unknown.",
            "Set AGENT_ZONEMTA_MONGODB_URI to ZoneMTA's database.",
        )


def examine(uri: Secret, *, instance: str = "") -> Iterator[Finding]:
    """Yield findings from the connection to the oplog; stop at one that makes the rest pointless.
    `instance`: this node's share of the queue, where that is configured."""
    where = uri.reveal().rpartition("@")[2].partition("://")[2] or uri.reveal().rpartition("@")[2]
    where = where.partition("?")[0]
    try:
        with database.connect(uri.reveal()) as client:
            yield from _examine(client, where, instance)
    except PyMongoError as error:
        yield _failure(error, "mongodb", where)


def _examine(client: Any, where: str, instance: str) -> Iterator[Finding]:
    hello = client.admin.command("hello")
    version = database.major_version(client)
    yield Finding("ok", "mongodb", f"{where} responds, version {version}.")
    if hello.get("msg") == "isdbgrid":
        line = f"{where} is a mongos, the router of a sharded cluster."
        fix = "Name a member of the replica set in AGENT_ZONEMTA_MONGODB_URI."
        yield Finding("failure", "replica set", line, fix)
        return
    if not hello.get("setName"):
        line = f"{where} is not a replica set, so it has no change stream."
        fix = "Start mongod with --replSet rs0 and run rs.initiate() once; one node is enough."
        yield Finding("failure", "replica set", line, fix)
        return
    yield Finding("ok", "replica set", f"It is one: {hello['setName']}.")
    db = client.get_default_database()
    try:
        for name in zonemta.COLLECTIONS:
            db[name].find_one({}, {"_id": 1})
        pipeline = database.pipeline(version)
        with db.watch(pipeline, max_await_time_ms=database.AWAIT_MS) as stream:
            stream.try_next()
    except PyMongoError as error:
        yield _failure(error, "mongodb rights", where)
        return
    yield Finding("ok", "mongodb rights", f"{db.name} can be read and its changes followed.")
    yield from _instances(db, instance)
    yield from _pre_images(db, version)
    yield _oplog(client)


def _failure(error: Exception, subject: str, where: str) -> Finding:
    line, _, fix = database.explain(error, where=where)[1].partition("). ")
    return Finding("failure", subject, f"{line})." if fix else line, fix)


def _instances(db: Any, instance: str) -> Iterator[Finding]:
    """Yield a finding when several ZoneMTAs share the queue, judged by the mail in it now."""
    assigned = sorted(
        str(name) for name in db[zonemta.QUEUE].distinct("assigned") if name != zonemta.UNASSIGNED
    )
    if instance in assigned or instance == "*" or (not instance and len(assigned) <= 1):
        return
    shown = ", ".join(assigned[:MAX_INSTANCES]) or "none"
    if not instance:
        yield Finding(
            "warning",
            "instance",
            f"Several ZoneMTAs share this queue ({shown}): each agent reports all of it.",
            "Set AGENT_DISCOVERY_ZONEMTA_INSTANCE to queue.instanceId of this node's ZoneMTA.",
        )
    elif assigned:
        yield Finding(
            "note",
            "instance",
            f"No queued mail is assigned to {instance} now, only to: {shown}.",
            "Check AGENT_DISCOVERY_ZONEMTA_INSTANCE against queue.instanceId of this ZoneMTA.",
        )


def _pre_images(db: Any, version: int) -> Iterator[Finding]:
    subject = "pre-images"
    if version < database.PRE_IMAGES_SINCE:
        line = f"MongoDB {version} has none; the agent remembers the queue's documents instead."
        yield Finding("note", subject, line)
        return
    try:
        states = database.pre_images(db)
    except PyMongoError as error:
        yield Finding("note", subject, f"Their state cannot be read ({str(error)[:200]}).")
        return
    if zonemta.QUEUE not in states:
        yield Finding(
            "warning",
            "mail queue",
            f"{db.name} has no collection {zonemta.QUEUE}: no mail was ever queued there.",
            "Check the database's name in AGENT_ZONEMTA_MONGODB_URI against ZoneMTA's dbs-config.",
        )
        return
    off = [name for name, is_on in states.items() if not is_on]
    if not off:
        yield Finding("ok", subject, "They are enabled.")
        return
    fixes = " ".join(
        f'db.runCommand({{collMod: "{name}", changeStreamPreAndPostImages: {{enabled: true}}}});'
        for name in off
    )
    yield Finding(
        "warning",
        subject,
        f"They are disabled for {' and '.join(off)}: events of mail that leaves the queue while the"
        " agent is down have less detail.",
        f"In mongosh, as an administrator: use {db.name}; {fixes}",
    )


def _oplog(client: Any) -> Finding:
    oplog = client.local["oplog.rs"]
    try:
        first, last = (
            oplog.find({}, {"ts": 1}).sort("$natural", order).limit(1).next()["ts"].time
            for order in (1, -1)
        )
        stats = client.local.command("collStats", "oplog.rs")
    except (PyMongoError, StopIteration) as error:
        return Finding(
            "note",
            "oplog",
            f"Its time span cannot be read ({str(error)[:200]}).",
            "Give the user read on the database local, or look with rs.printReplicationInfo().",
        )
    return judge_oplog(
        reach_s=last - first, used_bytes=stats["size"], max_bytes=stats.get("maxSize", 0)
    )


def judge_oplog(*, reach_s: int, used_bytes: int, max_bytes: int) -> Finding:
    full_ratio = used_bytes / max_bytes if max_bytes else 1.0
    if full_ratio < FULL_RATIO and reach_s < _HOUR_S:
        return Finding("note", "oplog", "It began less than an hour ago: too early to judge it.")
    if full_ratio < FULL_RATIO:
        # It still grows: the same mail for as long again until it is full.
        reach_s = int(reach_s / max(full_ratio, 0.001))
    hours = f"{reach_s / _HOUR_S:.1f} h"
    if reach_s >= MAX_OUTAGE_S:
        return Finding("ok", "oplog", f"It reaches back {hours} when full.")
    if full_ratio < FULL_RATIO:
        line = f"It is {full_ratio:.0%} full; at this rate it will reach back {hours} when full."
        return Finding("note", "oplog", line)
    megabytes = int(max_bytes / 2**20 * MAX_OUTAGE_S / max(reach_s, 60)) + 1
    return Finding(
        "warning",
        "oplog",
        f"It reaches back {hours}: an agent down for longer has a gap in its change stream.",
        f"db.adminCommand({{replSetResizeOplog: 1, size: {max(megabytes, 990)}}}) for a day.",
    )

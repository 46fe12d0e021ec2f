"""Queries to ZoneMTA's MongoDB: the pipeline, the projections, and the meaning of its errors.

pymongo is imported inside functions: an agent without a change stream starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import fields

from agent import clock
from agent.errors import certificate_fix
from agent.events.change_stream import zonemta
from agent.events.change_stream.zonemta import Change, MessageData

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

SELECT_TIMEOUT_MS = 5000
SOCKET_TIMEOUT_MS = 20_000
HEARTBEAT_MS = 30_000
BATCH = 500
MIN_CLOCK_DIFFERENCE_MS = 1000
# How long the server waits for a first change before it answers "none": the reading thread looks
# at its stop event, and for due events, at least this often.
AWAIT_MS = 1000
PRE_IMAGES_SINCE = 6
UNSET_FIELD_SINCE = 5

# Operations that end a collection without a change for each of its documents.
COLLECTION_ENDS = ("drop", "rename")
NOT_A_REPLICA_SET = {40573, 17130}
NO_RIGHTS = {13, 18, 8000}
# Fallen out of the oplog (286, 280, 260, 222), or a token this server cannot read.
POSITION_LOST = {286, 280, 260, 222, 9, 15, 50811, 50872}
EVENT_TOO_LARGE = 10334


@dataclass(frozen=True)
class Names:
    """A database in the agent's messages: the setting with its URI, an example of its name, and how
    the agent's user gets its rights."""

    setting: str
    example: str
    grant: str


ZONEMTA_NAMES = Names(
    setting="AGENT_ZONEMTA_MONGODB_URI",
    example="zone-mta",
    grant="Give the user of AGENT_ZONEMTA_MONGODB_URI the role 'read' on ZoneMTA's database:"
    " db.grantRolesToUser(user, [{role: 'read', db: database}]).",
)

# The SMTP dialogue of every attempt, kilobytes a document: never read.
_LOG = "_deferred.log"


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    """Return a client of the deployment, with a bound on every wait. It connects when used."""
    from bson.codec_options import DatetimeConversion  # noqa: PLC0415
    from pymongo import MongoClient  # noqa: PLC0415

    return MongoClient(
        uri,
        appname="mallard-agent",
        tz_aware=True,
        # One odd date or byte in one document must not end the stream.
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        unicode_decode_error_handler="replace",
        serverSelectionTimeoutMS=SELECT_TIMEOUT_MS,
        connectTimeoutMS=SELECT_TIMEOUT_MS,
        socketTimeoutMS=SOCKET_TIMEOUT_MS,
        # The stream itself notices a lost or changed primary; a watcher beside it costs as much CPU
        # as reading an idle stream.
        serverMonitoringMode="poll",
        heartbeatFrequencyMS=HEARTBEAT_MS,
        maxPoolSize=4,
    )


def major_version(client: MongoClient[dict[str, Any]]) -> int:
    return int(client.server_info()["versionArray"][0])


def measure_clock(client: MongoClient[dict[str, Any]]) -> int:
    """Return how many ms MongoDB's clock is ahead of this node's, 0 where that may be the way of
    the answer."""
    before_ms = clock.now_ms()
    local_ms = clock.to_ms(client.admin.command("hello")["localTime"])
    ahead_ms = local_ms - (before_ms + clock.now_ms()) // 2
    return ahead_ms if abs(ahead_ms) >= MIN_CLOCK_DIFFERENCE_MS else 0


def pipeline(version: int) -> list[dict[str, Any]]:
    """Return the stages that keep ZoneMTA's two collections and leave the dialogue out."""
    unset = [
        f"fullDocument.{_LOG}",
        f"fullDocumentBeforeChange.{_LOG}",
        f"updateDescription.updatedFields.{_LOG}",
        "fullDocument.metadata.data.dkim",
        "fullDocumentBeforeChange.metadata",
    ]
    stages: list[dict[str, Any]] = [
        {
            "$match": {
                "ns.coll": {"$in": list(zonemta.COLLECTIONS)},
                "operationType": {
                    "$in": ["insert", "update", "replace", "delete", *COLLECTION_ENDS]
                },
            }
        },
        {"$unset": unset},
    ]
    if version >= UNSET_FIELD_SINCE:
        # A repeated deferral sets a field whose name is "_deferred.log", dot included.
        updated = "$updateDescription.updatedFields"
        without_log = {"$unsetField": {"field": {"$literal": _LOG}, "input": updated}}
        stages.append({"$set": {"updateDescription.updatedFields": without_log}})
    return stages


def describe_end(raw: Mapping[str, Any]) -> str | None:
    """Return why the queue's documents are gone without a change for each; None for a change of one
    document. Messages are only remembered, and so not missed."""
    if raw["operationType"] in COLLECTION_ENDS and raw["ns"]["coll"] == zonemta.QUEUE:
        how = "dropped" if raw["operationType"] == "drop" else "renamed"
        return f"the collection {zonemta.QUEUE} was {how}"
    return None


def parse_change(raw: Mapping[str, Any]) -> Change:
    wall = raw.get("wallTime")  # since MongoDB 6.0; before, the cluster time has whole seconds
    at_ms = clock.to_ms(wall) if wall is not None else raw["clusterTime"].time * 1000
    return Change(
        collection=raw["ns"]["coll"],
        kind=raw["operationType"],
        document_id=str(raw["documentKey"]["_id"]),
        at_ms=at_ms,
        document=raw.get("fullDocument"),
        before=raw.get("fullDocumentBeforeChange"),
        updated=(raw.get("updateDescription") or {}).get("updatedFields") or {},
    )


def queue_documents(db: Database[dict[str, Any]]) -> Any:
    return db[zonemta.QUEUE].find({}, {_LOG: 0}, batch_size=BATCH)


def message_files(
    db: Database[dict[str, Any]], queue_ids: list[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Return id and `metadata.data` of the messages with these queue ids."""
    names = [zonemta.FILENAME_PREFIX + queue_id for queue_id in queue_ids]
    # dkim, parsedEnvelope and the rest are not read.
    projection = {f"metadata.data.{field.encode_name}": 1 for field in fields(MessageData)}
    files = db[zonemta.FILES].find({"filename": {"$in": names}}, projection)
    return [
        (str(file["_id"]), file["metadata"]["data"])
        for file in files
        if (file.get("metadata") or {}).get("data")
    ]


def pre_images(db: Database[dict[str, Any]]) -> dict[str, bool]:
    """Return whether pre-images are on for each of ZoneMTA's collections that exists. Raises
    PyMongoError."""
    existing = db.list_collections(filter={"name": {"$in": list(zonemta.COLLECTIONS)}})
    options = {each["name"]: each.get("options", {}) for each in existing}
    return {
        name: bool(options[name].get("changeStreamPreAndPostImages", {}).get("enabled"))
        for name in zonemta.COLLECTIONS
        if name in options
    }


def enable_pre_images(db: Database[dict[str, Any]]) -> list[str]:
    """Switch pre-images on where they are off; return where. Raises PyMongoError, mostly because
    this user has no right to."""
    off = [name for name, is_on in pre_images(db).items() if not is_on]
    for name in off:
        db.command({"collMod": name, "changeStreamPreAndPostImages": {"enabled": True}})
    return off


# AuthenticationFailed
WRONG_PASSWORD = 18


def explain(error: Exception, *, where: str, names: Names = ZONEMTA_NAMES) -> tuple[str, str]:
    """Return a kind for not repeating, and one line with the cause and its fix."""
    from pymongo import errors  # noqa: PLC0415

    setting = names.setting
    code = getattr(error, "code", None)
    first_line = str(error).partition(", full error")[0].partition(", Timeout:")[0][:300]
    if code in NOT_A_REPLICA_SET:
        return "replica set", (
            f"MongoDB at {where} is not a replica set, so it has no change stream: start mongod"
            " with --replSet rs0 and run rs.initiate() once. One node is enough."
        )
    if code == WRONG_PASSWORD:
        return "password", (
            f"MongoDB at {where} refuses user or password ({first_line}). Correct both in"
            f" {setting}, and add authSource=admin to it if the user was created"
            " in the database admin."
        )
    if code in NO_RIGHTS:
        return "rights", (
            # Without the command, which is the pipeline.
            f"MongoDB at {where} refuses the agent"
            f" ({first_line.partition(' to execute command')[0]}). {names.grant}"
        )
    if isinstance(error, errors.ConfigurationError | errors.InvalidURI):
        fix = f"Write it like mongodb://127.0.0.1:27017/{names.example}?replicaSet=rs0."
        if "DNS" in first_line:
            fix = (
                "Check its name and the DNS of this node, or name the hosts: mongodb://HOST:27017/…"
            )
        return "uri", f"{setting} cannot be used ({first_line}). {fix}"
    if isinstance(error, errors.ConnectionFailure):
        asked = f". Is mongod running, and is {setting} right?"
        fix = f"{certified}." if (certified := certificate_fix(str(error))) else asked
        return "connection", (
            f"MongoDB at {where} is not reachable ({first_line}){fix} The agent keeps trying;"
            " nothing is lost while the oplog reaches back."
        )
    return f"error {code}", f"Reading the change stream of {where} failed ({first_line})."


def is_position_lost(error: Exception) -> bool:
    return getattr(error, "code", None) in POSITION_LOST


def is_event_too_large(error: Exception) -> bool:
    """Return whether a change with its pre-image was larger than a document may be."""
    return getattr(error, "code", None) == EVENT_TOO_LARGE

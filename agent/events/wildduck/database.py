"""Queries to WildDuck's MongoDB: the pipeline, and bounded look-ups of what documents only name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent import clock
from agent.events.change_stream.database import Names
from agent.events.mailbox_event import MAX_ADDRESS
from agent.events.wildduck.mapping import AUTHLOG, DELIVERED, MAX_PATH, MESSAGES, login_row
from agent.parsers.values import text

if TYPE_CHECKING:
    from pymongo.database import Database

SETTING = "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI"
LOOKUP_MS = 5000
# Names are read again after a while: mailboxes are renamed.
MAX_KNOWN = 2000
MAX_AGE_S = 600.0

# Everything else of a message stays in the database: subject, headers, text and structure.
MESSAGE_FIELDS = (
    "_id",
    "root",
    "user",
    "mailbox",
    "idate",
    "size",
    "junk",
    "filters",
    "msgid",
    "outbound",
    *(
        f"meta.{name}"
        for name in (
            "source",
            "transactionId",
            "queueId",
            "from",
            "to",
            "origin",
            "spamScore",
            "spamAction",
        )
    ),
)
LOGIN_FIELDS = ("action", "result", "protocol", "requiredScope", "ip", "events", "last")
CHANGE_FIELDS = (
    "operationType",
    "clusterTime",
    "wallTime",
    "ns",
    "documentKey",
    "updateDescription.updatedFields.events",
    "updateDescription.updatedFields.last",
)


def names(uri: str = "") -> Names:
    """Return what the database of `uri` is called in messages."""
    name = urlsplit(uri).path.strip("/") or "wildduck"
    return Names(
        setting=SETTING,
        example="wildduck",
        grant=f"Give its user the rights, as an administrator in mongosh: {role_command(name)}",
    )


def role_command(name: str) -> str:
    """Return the commands that create the role which the stream needs, and grant it."""
    privilege = f'{{resource: {{db: "{name}", collection: ""}}, actions: ["find", "changeStream"]}}'
    return (
        f'use {name}; db.createRole({{role: "mallardMailbox", privileges: [{privilege}],'
        f' roles: []}}); use admin; db.grantRolesToUser("mallard",'
        f' [{{role: "mallardMailbox", db: "{name}"}}]).'
    )


def pipeline() -> list[dict[str, Any]]:
    """Return the stages that keep deliveries and logins, and of them the fields that are read."""
    deliveries = {
        "ns.coll": MESSAGES,
        "operationType": "insert",
        "fullDocument.meta.source": DELIVERED,
    }
    logins = {"ns.coll": AUTHLOG, "operationType": {"$in": ["insert", "update"]}}
    kept = (f"fullDocument.{name}" for name in (*MESSAGE_FIELDS, *LOGIN_FIELDS))
    return [
        {"$match": {"$or": [deliveries, logins]}},
        {"$project": dict.fromkeys((*CHANGE_FIELDS, *kept), 1)},
    ]


class Lookup:
    """Values by id, the latest MAX_KNOWN of them, each for MAX_AGE_S."""

    def __init__(self) -> None:
        self._known: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def missing(self, ids: Iterable[Any]) -> list[Any]:
        """Return those that are not known, each once."""
        since_s = clock.monotonic_s() - MAX_AGE_S
        return [
            each
            for each in dict.fromkeys(ids)
            if each is not None and self._known.get(each, (float("-inf"),))[0] < since_s
        ]

    def put(self, id_: Any, value: Any) -> None:
        self._known.pop(id_, None)
        self._known[id_] = clock.monotonic_s(), value
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def get(self, id_: Any) -> Any:
        known = self._known.get(id_)
        return None if known is None else known[1]


class Lookups:
    """Paths of mailboxes, names of accounts, and documents of authlog, each batch in one query."""

    def __init__(self) -> None:
        self.paths, self.accounts, self.logins = Lookup(), Lookup(), Lookup()

    def load_logins(self, db: Database[dict[str, Any]], ids: Iterable[Any]) -> None:
        """Read documents whose insert was not seen. Raises PyMongoError."""
        fields = ("user", *LOGIN_FIELDS)
        for row in _find(db, AUTHLOG, self.logins.missing(ids), fields):
            self.logins.put(row["_id"], login_row(row))

    def load_names(
        self, db: Database[dict[str, Any]], mailboxes: Iterable[Any], users: Iterable[Any]
    ) -> None:
        """Read what is not known yet. Raises PyMongoError."""
        for row in _find(db, "mailboxes", self.paths.missing(mailboxes), ("path",)):
            self.paths.put(row["_id"], text(row.get("path"), limit=MAX_PATH))
        for row in _find(db, "users", self.accounts.missing(users), ("address", "username")):
            name = row.get("address") or row.get("username")
            self.accounts.put(row["_id"], text(name, limit=MAX_ADDRESS))


def _find(
    db: Database[dict[str, Any]], collection: str, ids: list[Any], fields: Iterable[str]
) -> Iterable[dict[str, Any]]:
    if not ids:
        return ()
    where = {"_id": {"$in": ids}}
    return db[collection].find(where, dict.fromkeys(fields, 1), max_time_ms=LOOKUP_MS)

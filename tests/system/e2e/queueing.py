"""The ways into ZoneMTA's queue beside SMTP: its API, and its database as WildDuck uses it."""

import contextlib
import http.client
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pymongo
from gridfs import GridFSBucket

from build.stack import zonemta
from build.stack.ports import LOOPBACK

TIMEOUT_S = 30
BODY = b"hi\r\n"


def request_mta(port: int, method: str, path: str, body: Any = None) -> str:
    """Return ZoneMTA's answer; raise OSError or http.client.HTTPException when there is none."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        return connection.getresponse().read().decode()


def send_by_api(
    port: int, sender: str, recipients: Sequence[str], message_id: str | None = None
) -> str | None:
    """Have ZoneMTA's API queue a message; return its queue id, None when it was refused.

    Raise OSError or http.client.HTTPException when there is no answer.
    """
    message = {"from": sender, "text": "hi", "envelope": {"from": sender, "to": list(recipients)}}
    message |= {"messageId": message_id} if message_id else {}
    id_: str | None = json.loads(request_mta(port, "POST", "/send", message)).get("id")
    return id_


def queue_as_wildduck(
    mongo_uri: str,
    queue_id: str,
    sender: str,
    recipients: Sequence[str],
    message_id: str | None = None,
) -> None:
    """Put a message into ZoneMTA's database past ZoneMTA, as WildDuck does: no hook sees it.

    May be repeated with the same arguments. Raise pymongo.errors.PyMongoError when MongoDB is away.
    """
    headers = {"from": sender, "message-id": message_id or f"<{queue_id}@corp.example>"}
    now = datetime.now(UTC)
    data = {
        "id": queue_id,
        "from": sender,
        "to": list(recipients),
        "interface": "forwarder",
        "messageId": headers["message-id"],
        "headers": [{"key": key, "line": f"{key}: {value}"} for key, value in headers.items()],
        "time": int(now.timestamp() * 1000),
        "dkim": {"hashAlgo": "sha256"},
        "bodySize": len(BODY),
    }
    with pymongo.MongoClient[Any](mongo_uri) as client:
        db, name = client[zonemta.DATABASE], f"message {queue_id}"
        if db["mail.files"].find_one({"filename": name}) is None:
            GridFSBucket(db, bucket_name="mail").upload_from_stream(
                name, BODY, metadata={"data": data}
            )
        known = {each["seq"] for each in db["zone-queue"].find({"id": queue_id}, {"seq": True})}
        documents = [
            {"id": queue_id, "seq": f"{number:03x}", "domain": recipient.partition("@")[2]}
            | {"recipient": recipient, "sendingZone": "default", "assigned": "no"}
            | {"locked": False, "lockTime": 0, "queued": now, "created": now}
            for number, recipient in enumerate(recipients, start=1)
        ]
        if missing := [each for each in documents if each["seq"] not in known]:
            db["zone-queue"].insert_many(missing)


def make_queue_id() -> str:
    """Return an id in the form of ZoneMTA's own: 18 hexadecimal digits."""
    return secrets.token_hex(9)

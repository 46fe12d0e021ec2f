"""Writes ZoneMTA's collections the way ZoneMTA 3.11 was seen to write them."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.database import Database


class Message:
    """One message in the queue of a real MongoDB."""

    def __init__(self, db: Database[dict[str, Any]], queue_id: str, meta: dict[str, Any]) -> None:
        self.db = db
        self.queue_id = queue_id
        self.meta = meta
        self.seqs: dict[str, str] = {}

    def lock(self, recipient: str, *, instance: str = "mta-01") -> None:
        """A sender takes the recipient."""
        self._update(
            recipient,
            {"locked": True, "lockTime": time.time() * 1000, "assigned": instance},
        )

    def defer(self, recipient: str, count: int, response: str) -> None:
        """The remote defers. The second time, only changed fields are set."""
        now_ms = float(int(time.time() * 1000))
        common = {"locked": False, "queued": datetime.now(UTC)}
        log = [{"time": now_ms, "level": "info", "message": "a line of dialogue"}]
        if count == 1:
            deferred = {"count": 1, "first": now_ms, "last": now_ms, "log": log}
            deferred |= {"next": now_ms + 300_000, "response": response}
            self._update(recipient, common | {"_deferred": deferred})
        else:
            fields = {"count": count, "last": now_ms, "next": now_ms, "response": response}
            fields["log"] = [*log, {"time": now_ms}]
            self._update(recipient, common | {f"_deferred.{k}": v for k, v in fields.items()})

    def leave(self, recipient: str) -> None:
        """The recipient is done with, however that ended; the last takes the message along."""
        self.db["zone-queue"].delete_one({"id": self.queue_id, "seq": self.seqs[recipient]})
        if not self.db["zone-queue"].find_one({"id": self.queue_id}):
            self.db["mail.files"].delete_one({"filename": f"message {self.queue_id}"})

    def deliver(self, recipient: str) -> None:
        """An attempt that ends well."""
        self.lock(recipient)
        self.leave(recipient)

    def bounce(self, recipient: str) -> "Message":
        """An attempt that is refused for good; return the notification, queued."""
        self.lock(recipient)
        self.leave(recipient)
        return accept(
            self.db,
            "",
            [self.meta["from"]],
            interface="bounce",
            sessionId=self.meta["sessionId"],
            zone="bounces",
            headers={
                "x-failed-recipients": recipient,
                "subject": f"Delivery Status Notification (Failure: {recipient})",
                "in-reply-to": self.meta["messageId"],
            },
        )

    def _update(self, recipient: str, fields: dict[str, Any]) -> None:
        document = {"id": self.queue_id, "seq": self.seqs[recipient]}
        assert self.db["zone-queue"].update_one(document, {"$set": fields}).matched_count


def accept(
    db: Database[dict[str, Any]],
    sender: str,
    recipients: list[str],
    *,
    zone: str = "default",
    headers: dict[str, str] | None = None,
    **data: Any,
) -> Message:
    """Take a message in: the file bare, then what is known of it, then one document each."""
    queue_id = "1a1f" + secrets.token_hex(7)
    now = datetime.now(UTC)
    message_id = f"<{secrets.token_hex(6)}@corp.example>"
    lines = {"message-id": message_id} | (headers or {})
    meta = {
        "id": queue_id,
        "from": sender,
        "to": recipients,
        "interface": "feeder",
        "origin": "192.0.2.7",
        "user": None,
        "sessionId": secrets.token_hex(8),
        "messageId": message_id,
        "bodySize": 313,
        "dkim": {"hashAlgo": "sha256"},
        "headers": [{"key": key, "line": f"{key}: {value}"} for key, value in lines.items()],
    } | data
    file_id = ObjectId()
    db["mail.files"].insert_one(
        {
            "_id": file_id,
            "length": 313,
            "filename": f"message {queue_id}",
            "metadata": {"created": now},
        }
    )
    db["mail.files"].update_one({"_id": file_id}, {"$set": {"metadata.data": meta}})
    message = Message(db, queue_id, meta)
    documents = []
    for number, recipient in enumerate(recipients, start=1):
        message.seqs[recipient] = f"{number:03x}"
        documents.append(
            {
                "id": queue_id,
                "seq": message.seqs[recipient],
                "domain": recipient.rpartition("@")[2],
                "sendingZone": zone,
                "recipient": recipient,
                "locked": False,
                "lockTime": 0,
                "assigned": "no",
                "queued": now,
                "created": now,
                "sessionId": meta["sessionId"],
            }
        )
    db["zone-queue"].insert_many(documents)
    return message

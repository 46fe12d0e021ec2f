"""Pure: a decoded reading of the mail queue → the values of its row."""

from typing import Any

import msgspec

from server.mailqueues.wire import MailQueue


def queue_values(queue: MailQueue) -> dict[str, Any]:
    """Return the columns of mail_queue_snapshots, all but node and time."""
    return msgspec.structs.asdict(queue) | {"database": queue.database or ""}

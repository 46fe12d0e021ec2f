"""Plain COPY of events into their table: the speed that the server's is compared with."""

import io
import json
import time

from build.lab.installation import Installation
from build.lab.traffic import Bodies

COPY_BATCH = 500
COPY_NODE = "plain-copy"


def copy_plainly(installation: Installation, *, rows: int) -> float:
    """COPY events like the load's into the same table, with its indexes; return rows/s."""
    bodies = Bodies(node=COPY_NODE, epoch="none", size=COPY_BATCH, mark=0)
    turns = range(rows // COPY_BATCH)
    events = [event for _ in turns for event in derive_columns(bodies.next())]
    columns = dict.fromkeys(name for event in events for name in event)
    lines = io.StringIO()
    for event in events:
        lines.write("\t".join(str(event.get(name, "\\N")) for name in columns) + "\n")
    lines.seek(0)
    with installation.connect() as cursor:
        started = time.monotonic()
        cursor.copy_expert(f"COPY email_events ({', '.join(columns)}) FROM STDIN", lines)
        cursor.connection.commit()
        return rows / (time.monotonic() - started)


def derive_columns(body: bytes) -> list[dict[str, object]]:
    events: list[dict[str, object]] = json.loads(body)["events"]
    for event in events:
        event["from_user"], _, event["from_domain"] = str(event["from_address"]).rpartition("@")
        event["to_domain"] = str(event["to_address"]).rpartition("@")[2]
    return events

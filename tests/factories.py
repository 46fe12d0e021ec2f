"""Factories of what the server's tests store: events, mail, readings of a queue."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from server.accounts.roles import Role, assign
from server.events.mapping import to_line
from server.metrics.mail_queue import MailQueue, QueueShare
from server.metrics.models import AgentSample, MongoDbSample, ProcessSample, SystemSample
from server.nodes.models import Node
from server.rollups.levels import KEY, MEASURES
from server.rollups.mail import detail_sql, sql
from server.storage.transaction import write_events

#: The moment of what has no other time, and the present of the tests that stop the clock.
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
RS0 = "rs0/zone-mta@10.0.0.21:27017"
DIFFERENCES = """SELECT count(*) FROM ({wanted}) AS wanted
FULL JOIN (SELECT {columns} FROM {table}) AS kept USING ({key})
WHERE wanted.events IS NULL OR kept.events IS NULL OR ({wanted_all}) <> ({kept_all})"""


def log_in(client: Client, role: Role, name: str) -> Client:
    """Return the client, logged in as a new person with a role."""
    user = User.objects.create_user(name)
    assign(user, role)
    client.force_login(user)
    return client


def client_of(role: Role) -> Client:
    """Return a client of its own, whose person is named as the role."""
    return log_in(Client(), role, str(role))


def row(**fields: Any) -> dict[str, Any]:
    """Return the columns of an event; keywords replace them."""
    return {
        "occurred_at": NOW,
        "event_id": uuid4(),
        "event_type": "delivered",
        "direction": "outbound",
        "mta_node": "mta-01",
        "from_address": "alice@corp.example",
        "from_domain": "corp.example",
        "to_domain": "good.example",
        "source": "zonemta_plugin",
        "certainty": "reported",
    } | fields


def write(*rows: dict[str, Any]) -> int:
    """Store events in one batch; return how many were new."""
    return sum(new.events for new in write_events([to_line(r) for r in rows]))


def write_mail(*events: tuple[str, str, int], **fields: Any) -> None:
    """Store events of this moment: direction, type and how many of them."""
    rows = [
        row(direction=direction, event_type=event_type, occurred_at=timezone.now(), **fields)
        for direction, event_type, count in events
        for _ in range(count)
    ]
    write_events([to_line(each) for each in rows])


def stored_events(**fields: Any) -> list[dict[str, Any]]:
    """Return the events that are stored, those with these values in their columns."""
    where = " AND ".join(["true", *(f"{name} = %({name})s" for name in fields)])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM email_events WHERE {where}", fields)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def count_differences(level: Any) -> int:
    """Count the rows of a level that are not what a plain aggregation of the raw rows gives."""
    with connection.cursor() as cursor:
        cursor.execute(
            DIFFERENCES.format(
                wanted=f"{sql.aggregate(level, 'email_events')} UNION ALL"
                f" {detail_sql.aggregate(level, 'email_events')}",
                columns=sql.COLUMNS,
                table=level.table,
                key=", ".join(KEY),
                wanted_all=", ".join(sql.number(m, "wanted") for m in MEASURES),
                kept_all=", ".join(sql.number(m, "kept") for m in MEASURES),
            )
        )
        return int(cursor.fetchone()[0])


def mail_queue(instance: str | None = None, database: str = RS0, **shares: int) -> MailQueue:
    """Return a reading of a queue; each keyword is an instance with its share."""
    held = [QueueShare(name.replace("_", "-"), count) for name, count in shares.items()]
    return MailQueue(
        source="mongodb",
        zones=[],
        active_count=sum(shares.values()),
        deferred_count=0,
        database=database,
        instance=instance,
        shares=held,
    )


def add_sick_nodes(count: int, now: datetime) -> None:
    """Store nodes that report, each with five subjects that need attention: memory, three file
    systems and a stopped program."""
    disks = [{"mount_point": f"/{n}", "used_percent": 99.0, "free_bytes": n} for n in range(3)]
    sources = [{"name": f"source-{n}", "is_on": True, "interval_s": 30} for n in range(8)]
    nodes = Node.objects.bulk_create(
        Node(name=f"mta-{n:03}", role="zonemta", last_seen_at=now) for n in range(count)
    )
    readings = {"cpu_percent": 5, "ram_used_percent": 95, "cpu_core_percents": []}
    rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for node in nodes:
        for back_s in (0, 15, 30):
            key = {"node": node, "time": now - timedelta(seconds=back_s)}
            rows[SystemSample].append(key | readings | {"file_systems": disks})
            rows[ProcessSample].append(key | {"process": "zonemta", "status": "stopped"})
        key = {"node": node, "time": now}
        spool = {"spool_bytes": 1, "spool_limit_bytes": 100, "sources": sources}
        rows[AgentSample].append(key | spool)
        rows[MongoDbSample].append(key | {"oplog_window_s": 100_000})
    for model, values in rows.items():
        model._default_manager.bulk_create(model(**each) for each in values)

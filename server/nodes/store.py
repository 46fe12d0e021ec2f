"""The only writer of nodes and of what happens to them, apart from the admin."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from server.nodes.models import AGENT, HOST, Change, Node

#: Two starts nearer to each other are one: a start is computed from uptimes of whole seconds, and a
#: clock that is set moves it.
SAME_START = timedelta(seconds=30)
#: The newest changes that are kept of each program and kind, and of all of a node.
MAX_CHANGES_OF_ONE, MAX_CHANGES = 200, 2_000
_DELETE_BEYOND = """DELETE FROM nodes_change WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY node_id, kind, subject ORDER BY at DESC) AS of_one,
      row_number() OVER (PARTITION BY node_id ORDER BY at DESC) AS of_node
    FROM nodes_change WHERE node_id = ANY(%(nodes)s)
  ) AS counted WHERE of_one > %(of_one)s OR of_node > %(of_node)s)"""
_RECORD_STARTS = """INSERT INTO nodes_change (node_id, kind, subject, at, before, after)
SELECT new.node_id, 'started', new.subject, new.at, '', ''
FROM unnest(%(nodes)s::bigint[], %(subjects)s::text[], %(times)s::timestamptz[])
  AS new (node_id, subject, at)
WHERE new.at > %(oldest)s AND new.at < now() + make_interval(secs => %(same_s)s) AND NOT EXISTS (
  SELECT FROM nodes_change AS old
  WHERE old.node_id = new.node_id AND old.kind = 'started' AND old.subject = new.subject
    AND old.at BETWEEN new.at - make_interval(secs => %(same_s)s)
      AND new.at + make_interval(secs => %(same_s)s))
ORDER BY 1, 3, 4
ON CONFLICT DO NOTHING"""
_RECORD_SILENCE = """INSERT INTO nodes_change (node_id, kind, subject, at, ended_at, before, after)
SELECT id, 'silent', %(host)s, last_seen_at, %(ended_at)s, '', '' FROM nodes_node
WHERE id = %(node)s AND last_seen_at > %(oldest)s
  AND last_seen_at < %(silent_if_before)s
ON CONFLICT DO NOTHING"""


class Start(NamedTuple):
    """Start of a program on a node, by that node's clock."""

    node_id: int
    subject: str
    at: datetime


def register(name: str, details: Mapping[str, Any]) -> Node:
    """Create or update the node `name` with its agent's details; record changed versions.

    A new chunk of samples gets a foreign key to this table, so its writer locks out all that write
    here, and looks at its nodes' rows when it commits. Therefore the table's lock comes before the
    row's (the insertion takes it, of a known node too), and the row's lets foreign keys pass. The
    other way round, the two wait for each other.
    """
    now = timezone.now()
    with transaction.atomic():
        Node.objects.bulk_create([Node(name=name)], ignore_conflicts=True)
        node = Node.objects.select_for_update(no_key=True).get(name=name)
        known = {AGENT: node.agent_version, **node.versions}
        for field, value in (changed := {**details, "registered_at": now}).items():
            setattr(node, field, value)
        node.save(update_fields=changed.keys())
        _record_versions(node, known, now)
    return node


def node_ids(names: Iterable[str]) -> dict[str, int]:
    """Return the id of each named node, making those that are new (a sample may come first)."""
    wanted = set(names)
    Node.objects.bulk_create([Node(name=name) for name in sorted(wanted)], ignore_conflicts=True)
    return dict(Node.objects.filter(name__in=wanted).values_list("name", "pk"))


def mark_seen(node_id: int, seen_at: datetime, *, clock_ahead_ms: int | None = None) -> None:
    """Move last_seen_at forward, never back: batches may be written out of order."""
    latest = Greatest(Coalesce(F("last_seen_at"), seen_at), seen_at)
    Node.objects.filter(pk=node_id).update(last_seen_at=latest, clock_ahead_ms=clock_ahead_ms)


def record_contact(
    node_id: int,
    at: datetime,
    *,
    first_at: datetime | None = None,
    clock_ahead_ms: int | None = None,
) -> None:
    """Mark a node as seen by the server's clock, and record the silence that this ends, if any.

    `first_at`: when the first of several samples was accepted, which may have waited for long.
    `clock_ahead_ms`: how far its clock was ahead then; None: not known.
    """
    ended_at = first_at or at
    silent_if_before = ended_at - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S)
    _insert(
        _RECORD_SILENCE,
        node=node_id,
        host=HOST,
        ended_at=ended_at,
        silent_if_before=silent_if_before,
    )
    mark_seen(node_id, at, clock_ahead_ms=clock_ahead_ms)


def mark_received(name: str, at: datetime) -> None:
    """Mark that the server accepted something of a node's agent, stored or not."""
    Node.objects.filter(name=name).update(received_at=at)


def record_silence(node_id: int, start: datetime, end: datetime) -> None:
    """Record that a node was silent in [start, end). Safe to repeat."""
    Change.objects.get_or_create(
        node_id=node_id,
        kind=Change.Kind.SILENT,
        subject=HOST,
        at=start,
        defaults={"ended_at": end},
    )


def record_maintenance(node: Node, at: datetime) -> None:
    """Record that the maintenance of a node began, or that it ended."""
    open_one = Change.objects.filter(
        node=node, kind=Change.Kind.MAINTENANCE, subject=HOST, ended_at=None
    )
    if not node.in_maintenance:
        open_one.update(ended_at=at)
    elif not open_one.exists():
        Change.objects.create(node=node, kind=Change.Kind.MAINTENANCE, subject=HOST, at=at)
        _delete_old({node.pk})


def record_starts(starts: Collection[Start]) -> None:
    """Record the starts that are not known yet. Safe to repeat; one query."""
    in_order = list(_merge_close(starts))
    if in_order:
        _insert(
            _RECORD_STARTS,
            nodes=[start.node_id for start in in_order],
            subjects=[start.subject for start in in_order],
            times=[start.at for start in in_order],
            same_s=SAME_START.total_seconds(),
        )


def _insert(sql: str, **values: Any) -> None:
    """Insert changes that are not past their retention; then delete those that are by now."""
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING node_id", values | {"oldest": _oldest(timezone.now())})
        _delete_old({node_id for (node_id,) in cursor.fetchall()})


def _merge_close(starts: Collection[Start]) -> Iterator[Start]:
    """Yield the starts in order, of close ones the first."""
    last: Start | None = None
    for start in sorted(starts):
        if last is None or last[:2] != start[:2] or start.at - last.at > SAME_START:
            yield start
            last = start


def _record_versions(node: Node, known: Mapping[str, str], now: datetime) -> None:
    """Compare with the last known version of each program: one may be left out for a while."""
    reported = {AGENT: node.agent_version, **node.versions}
    of_node = Change.objects.filter(node=node, kind=Change.Kind.VERSION)
    known = {**known, **dict(of_node.order_by("at").values_list("subject", "after"))}
    changes = [
        Change(
            node=node,
            kind=Change.Kind.VERSION,
            subject=subject,
            at=now,
            before=known.get(subject, ""),
            after=version,
        )
        for subject, version in reported.items()
        if version and version != known.get(subject)
    ]
    if changes:
        Change.objects.bulk_create(changes, ignore_conflicts=True)
        _delete_old({node.pk})


def _delete_old(node_ids: Collection[int]) -> None:
    """Bound the table after these nodes have changed: a program that dies over and over, or two
    agents of one name, add a row each time."""
    if not node_ids:
        return
    Change.objects.filter(at__lt=_oldest(timezone.now())).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            _DELETE_BEYOND,
            {"nodes": list(node_ids), "of_one": MAX_CHANGES_OF_ONE, "of_node": MAX_CHANGES},
        )


def _oldest(now: datetime) -> datetime:
    return now - timedelta(days=settings.NODE_CHANGES_RETENTION_DAYS)

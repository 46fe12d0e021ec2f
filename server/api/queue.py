"""What /email/queue is asked and answers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.api.metrics import EdgesQuery
from server.api.query import span_answer
from server.events.replies import normalised
from server.mailqueues import queries
from server.mailqueues.accounting import Database, Share, counted_once
from server.mailqueues.reasons import CLASSES, reason_class
from server.metrics.catalogue import MAIL_QUEUE
from server.metrics.mail_queue import MailQueue
from server.rollups.plan import Buckets
from server.rollups.samples import queries as sample_queries
from server.rollups.samples.queries import Bucket, Chosen

#: Upper bounds of the age brackets, in seconds; the last has none.
AGES_S: tuple[int | None, ...] = (60, 300, 1800, 3600, 14_400, 86_400, None)
MOST_REPLIES = 50
MOST_DESTINATIONS = 50
REPLIES_OF_DESTINATION = 3
HISTORY = Chosen(("waiting_count", "active_count", "deferred_count", "oldest_age_s"))


class QueueQuery(EdgesQuery):
    """The query string. The range is that of `history` alone."""

    kind = MAIL_QUEUE


class ReadAnswer(serializers.Serializer[Any]):
    """When it was read; of several readings the oldest tells. Null: never was."""

    read_at = serializers.DateTimeField(allow_null=True)
    age_s = serializers.FloatField(allow_null=True)
    stale = serializers.BooleanField(
        allow_null=True, help_text="Older than three of its agent's intervals."
    )


class ShareAnswer(ReadAnswer):
    """Waiting mail of one instance of ZoneMTA."""

    node = serializers.CharField(allow_null=True)
    instance = serializers.CharField(allow_null=True, help_text="Null: the agent does not say.")
    database = serializers.CharField(allow_null=True, help_text="Null: read from ZoneMTA's API.")
    waiting_count = serializers.IntegerField(allow_null=True, help_text="Null: not known.")
    read_by = serializers.CharField(help_text="The node whose agent read it.")


class ZoneAnswer(ReadAnswer):
    """One zone, over all databases."""

    zone = serializers.CharField(allow_blank=True)
    waiting_count = serializers.IntegerField()
    active_count = serializers.IntegerField(help_text="Due now.")
    deferred_count = serializers.IntegerField(help_text="Due later.")


class AgeBracketAnswer(serializers.Serializer[Any]):
    """How many are younger than `up_to_s` seconds and in no bracket before; null: all older."""

    up_to_s = serializers.IntegerField(allow_null=True)
    count = serializers.IntegerField()


class AgesAnswer(ReadAnswer):
    """How long mail has waited."""

    of_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients whose age is known; null: of none."
    )
    brackets = AgeBracketAnswer(many=True)


class OldestAnswer(ReadAnswer):
    """The oldest message."""

    created_at = serializers.DateTimeField(allow_null=True)
    waited_s = serializers.FloatField(allow_null=True, help_text="Until now.")
    database = serializers.CharField(allow_null=True)


class ReasonClassAnswer(serializers.Serializer[Any]):
    """One class of reasons, as the words of the replies tell it."""

    reason_class = serializers.ChoiceField(choices=list(CLASSES))
    count = serializers.IntegerField()


class ReplyAnswer(ReasonClassAnswer):
    """What a remote server said last, and to how many recipients."""

    response = serializers.CharField()


class ReasonsAnswer(ReadAnswer):
    """Why mail is deferred."""

    of_count = serializers.IntegerField(
        allow_null=True, help_text="Deferred recipients whose reply was read; null: none was asked."
    )
    rest_count = serializers.IntegerField(
        allow_null=True,
        help_text="Of these, how many had replies too seldom to be told; they are in no class.",
    )
    classes = ReasonClassAnswer(many=True)
    replies = ReplyAnswer(many=True)


class DestinationAnswer(serializers.Serializer[Any]):
    """One recipient domain. `counts`: in the age brackets, in their order."""

    domain = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    counts = serializers.ListField(child=serializers.IntegerField())
    replies = serializers.ListField(child=serializers.CharField())


class RestAnswer(serializers.Serializer[Any]):
    """All smaller domains; `domains_count` has one that is in two databases twice."""

    domains_count = serializers.IntegerField()
    count = serializers.IntegerField()
    counts = serializers.ListField(child=serializers.IntegerField())


class DestinationsAnswer(ReadAnswer):
    """Where waiting mail is to go, largest first, and how long it has waited."""

    of_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients that were read for this; null: none were."
    )
    up_to_s = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    domains = DestinationAnswer(many=True)
    rest = RestAnswer(allow_null=True)


class DatabaseAnswer(ReadAnswer):
    """One mail queue, counted once however many agents read it."""

    database = serializers.CharField(allow_null=True)
    nodes = serializers.ListField(child=serializers.CharField())
    read_from = serializers.CharField(help_text="mongodb, or api: then only totals are known.")
    waiting_count = serializers.IntegerField()
    active_count = serializers.IntegerField()
    deferred_count = serializers.IntegerField()
    locked_count = serializers.IntegerField(allow_null=True)


class QueueBucketAnswer(serializers.Serializer[Any]):
    """Means of one stretch of time; null where nothing was read."""

    start = serializers.DateTimeField()
    waiting_count = serializers.FloatField(allow_null=True)
    active_count = serializers.FloatField(allow_null=True)
    deferred_count = serializers.FloatField(allow_null=True)
    waiting_count_max = serializers.FloatField(
        allow_null=True, help_text="The highest readings of each database, added up."
    )
    oldest_age_s_max = serializers.FloatField(allow_null=True)
    databases_count = serializers.IntegerField(help_text="How many were read in this time.")


class HistoryAnswer(serializers.Serializer[Any]):
    """The range asked for."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    level = serializers.CharField(help_text="What was read: samples, 5m, 1h or daily.")
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="What was asked began before the oldest readings.")
    databases_count = serializers.IntegerField(help_text="Read at any time in the range.")
    buckets = QueueBucketAnswer(many=True)


class QueueAnswer(ReadAnswer):
    """The mail that waits now, as last read. Counts are null when nothing was read in 7 days.

    Each part tells the age of what it was read from: of several databases, of the oldest of their
    newest readings. `stale_count`: how much of the total is of stale readings.
    """

    waiting_count = serializers.IntegerField(allow_null=True)
    stale_count = serializers.IntegerField(allow_null=True)
    active_count = serializers.IntegerField(allow_null=True, help_text="Due now.")
    deferred_count = serializers.IntegerField(allow_null=True, help_text="Due later.")
    locked_count = serializers.IntegerField(
        allow_null=True, help_text="On their way just now; of the databases that tell."
    )
    unassigned_count = serializers.IntegerField(
        allow_null=True, help_text="Of no instance yet; of the databases that tell."
    )
    stranded_count = serializers.IntegerField(
        allow_null=True,
        help_text="Of instances no agent knows. Null: cannot be told, see `unclaimed`.",
    )
    stranded = ShareAnswer(many=True)
    unclaimed = ShareAnswer(
        many=True,
        help_text="Of instances no agent calls its own, while some agent does not say its own.",
    )
    nodes = ShareAnswer(many=True)
    databases = DatabaseAnswer(many=True)
    zones = ZoneAnswer(many=True)
    oldest = OldestAnswer()
    ages = AgesAnswer()
    reasons = ReasonsAnswer()
    destinations = DestinationsAnswer()
    history = HistoryAnswer()


def answer(*, buckets: Buckets, now: datetime) -> dict[str, Any]:
    """Return the answer."""
    return {
        **current(counted_once(queries.newest_readings(now), now), now),
        "history": {
            **span_answer(buckets),
            **history(sample_queries.series(MAIL_QUEUE, buckets, HISTORY), buckets.edges),
        },
    }


def current(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    """Return what waits now. Pure."""
    known = bool(databases)
    readings = [database.reading for database in databases]
    stranded = [share for database in databases for share in database.stranded or ()]
    unclaimed = [share for database in databases for share in database.unclaimed]
    unassigned = [database.unassigned for database in databases if database.unassigned]
    locked = [r.queue.locked_count for r in readings if r.queue.locked_count is not None]
    told = [database for database in databases if database.stranded is not None]
    return {
        **_read([(r.at, r.is_stale(now)) for r in readings], now),
        "waiting_count": sum(database.waiting for database in databases) if known else None,
        "stale_count": (
            sum(d.waiting for d in databases if d.reading.is_stale(now)) if known else None
        ),
        "active_count": sum(r.queue.active_count for r in readings) if known else None,
        "deferred_count": sum(r.queue.deferred_count for r in readings) if known else None,
        "locked_count": sum(locked) if locked else None,
        "unassigned_count": sum(s.count or 0 for s in unassigned) if unassigned else None,
        "stranded_count": sum(s.count or 0 for s in stranded) if told else None,
        "stranded": [_share(share, now) for share in stranded],
        "unclaimed": [_share(share, now) for share in unclaimed],
        "nodes": sorted(
            (_share(share, now) for database in databases for share in database.shares),
            key=lambda share: (share["node"], share["database"] or ""),
        ),
        "databases": [_database(database, now) for database in databases],
        "zones": _zones(databases, now),
        "oldest": _oldest(databases, now),
        "ages": _ages(databases, now),
        "reasons": _reasons(databases, now),
        "destinations": _destinations(databases, now),
    }


def history(found: Iterable[Bucket], edges: Sequence[datetime]) -> dict[str, Any]:
    """Return the databases' means, added up, of every bucket, each database once. Pure."""
    rows = list(found)
    database_of = {row.node: row.dimensions[0] for row in rows if row.dimensions[0]}
    cells: dict[int, dict[tuple[str, str], list[Bucket]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        # A node whose database did not answer for a while read that one's totals from the API.
        name = row.dimensions[0] or database_of.get(row.node, "")
        cells[row.bucket][("", row.node) if not name else (name, "")].append(row)
    return {
        "databases_count": len({key for cell in cells.values() for key in cell}),
        "buckets": [
            {"start": start, **_bucket(list(cells[place].values()))}
            for place, (start, _) in enumerate(pairwise(edges))
        ],
    }


def _bucket(databases: Sequence[Sequence[Bucket]]) -> dict[str, Any]:
    summed = ("waiting_count", "active_count", "deferred_count")
    oldest = [
        age
        for rows in databases
        for row in rows
        if (age := row.readings["oldest_age_s_max"]) is not None
    ]
    highest = [max(row.readings["waiting_count_max"] or 0 for row in rows) for rows in databases]
    return {
        **{
            name: sum(_mean(rows, name) for rows in databases) if databases else None
            for name in summed
        },
        "waiting_count_max": sum(highest) if databases else None,
        "oldest_age_s_max": max(oldest, default=None),
        "databases_count": len(databases),
    }


def _mean(rows: Sequence[Bucket], name: str) -> float:
    """Return the mean over the readings of all agents that read one database."""
    readings = sum(row.samples for row in rows)
    return sum((row.readings[name] or 0.0) * row.samples for row in rows) / readings


def _read(read: Sequence[tuple[datetime, bool]], now: datetime) -> dict[str, Any]:
    """Return the values of ReadAnswer, of when each part was read and whether that is stale."""
    if not read:
        return {"read_at": None, "age_s": None, "stale": None}
    oldest = min(at for at, _ in read)
    age_s = max(0.0, (now - oldest).total_seconds())
    return {"read_at": oldest, "age_s": age_s, "stale": any(stale for _, stale in read)}


def _share(share: Share, now: datetime) -> dict[str, Any]:
    return {
        **_read([(share.at, share.stale)], now),
        "node": share.node,
        "instance": share.instance,
        "database": share.database,
        "waiting_count": share.count,
        "read_by": share.reader,
    }


def _database(database: Database, now: datetime) -> dict[str, Any]:
    reading = database.reading
    return {
        **_read([(reading.at, reading.is_stale(now))], now),
        "database": database.name,
        "nodes": list(database.nodes),
        "read_from": reading.queue.source,
        "waiting_count": database.waiting,
        "active_count": reading.queue.active_count,
        "deferred_count": reading.queue.deferred_count,
        "locked_count": reading.queue.locked_count,
    }


def _zones(databases: Sequence[Database], now: datetime) -> list[dict[str, Any]]:
    active: Counter[str] = Counter()
    deferred: Counter[str] = Counter()
    read: dict[str, list[tuple[datetime, bool]]] = defaultdict(list)
    for reading in (database.reading for database in databases):
        for zone in reading.queue.zones:
            active[zone.zone] += zone.active_count
            deferred[zone.zone] += zone.deferred_count
            read[zone.zone].append((reading.at, reading.is_stale(now)))
    zones = [
        {
            **_read(of_zone, now),
            "zone": name,
            "waiting_count": active[name] + deferred[name],
            "active_count": active[name],
            "deferred_count": deferred[name],
        }
        for name, of_zone in read.items()
    ]
    return sorted(zones, key=lambda zone: (-zone["waiting_count"], zone["zone"]))


def _details(
    databases: Sequence[Database], now: datetime, tells: Callable[[MailQueue], bool]
) -> tuple[list[MailQueue], dict[str, Any]]:
    """Return the readings that tell some part, and the values of ReadAnswer."""
    found, read = [], []
    for database in databases:
        if database.detail and tells(database.detail[1]):
            at, queue = database.detail
            found.append(queue)
            read.append((at, now - at > database.reading.stale_after))
    return found, _read(read, now)


def _oldest(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    found, read = _details(databases, now, lambda queue: queue.oldest_created_at is not None)
    none = {"created_at": None, "waited_s": None, "database": None}
    if not found:
        # Of empty queues there is no oldest message, which is known as of their reading.
        return _details(databases, now, lambda _: True)[1] | none
    queue = min(found, key=lambda one: one.oldest_created_at or now)
    created_at = queue.oldest_created_at or now
    return {
        **read,
        "created_at": created_at,
        "waited_s": max(0.0, (now - created_at).total_seconds()),
        "database": queue.database,
    }


def _ages(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    found, read = _details(databases, now, _has_todays_brackets)
    if not found:
        return read | {"of_count": None, "brackets": []}
    counts: Counter[int | None] = Counter()
    for queue in found:
        counts.update({age.up_to_s: age.count for age in queue.ages or ()})
    return {
        **read,
        "of_count": counts.total(),
        "brackets": [{"up_to_s": up_to_s, "count": counts[up_to_s]} for up_to_s in AGES_S],
    }


def _has_todays_brackets(queue: MailQueue) -> bool:
    """Return whether the ages are known in our brackets; older agents have others."""
    return queue.ages is not None and {age.up_to_s for age in queue.ages} <= set(AGES_S)


def _reasons(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    found, read = _details(databases, now, lambda queue: queue.reasons is not None)
    if not found:
        return read | {"of_count": None, "rest_count": None, "classes": [], "replies": []}
    replies: Counter[str] = Counter()
    first: dict[str, str] = {}  # of replies that differ only by addresses, ids and the like
    for queue in found:
        for reason in queue.reasons or ():
            response = first.setdefault(normalised(reason.response), reason.response)
            replies[response] += reason.count
    of_count = sum(queue.reasons_of_count or 0 for queue in found)
    classes: Counter[str] = Counter()
    for response, count in replies.items():
        classes[reason_class(response)] += count
    return {
        **read,
        "of_count": of_count,
        "rest_count": max(0, of_count - replies.total()),
        "classes": [{"reason_class": name, "count": classes[name]} for name in CLASSES],
        "replies": [
            {"response": response, "reason_class": reason_class(response), "count": count}
            for response, count in replies.most_common(MOST_REPLIES)
        ],
    }


def _destinations(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    found, read = _details(databases, now, lambda queue: queue.destinations is not None)
    if not found:
        return read | {"of_count": None, "up_to_s": list(AGES_S), "domains": [], "rest": None}
    counts: dict[str, list[int]] = {}
    replies: dict[str, dict[str, None]] = defaultdict(dict)
    rest, rest_domains, of_count = [0] * len(AGES_S), 0, 0
    for queue in found:
        of_count += queue.destinations_of_count or 0
        for destination in queue.destinations or ():
            counts[destination.domain] = _added(
                counts.get(destination.domain, [0] * len(AGES_S)), destination.counts
            )
            replies[destination.domain].update(dict.fromkeys(destination.replies))
        if queue.other_destinations:
            rest = _added(rest, queue.other_destinations.counts)
            rest_domains += queue.other_destinations.domains_count
    largest = sorted(counts, key=lambda domain: (-sum(counts[domain]), domain))
    for domain in largest[MOST_DESTINATIONS:]:
        rest = _added(rest, counts[domain])
        rest_domains += 1
    return {
        **read,
        "of_count": of_count,
        "up_to_s": list(AGES_S),
        "domains": [
            {
                "domain": domain,
                "count": sum(counts[domain]),
                "counts": counts[domain],
                "replies": list(replies[domain])[:REPLIES_OF_DESTINATION],
            }
            for domain in largest[:MOST_DESTINATIONS]
        ],
        "rest": {"domains_count": rest_domains, "count": sum(rest), "counts": rest},
    }


def _added(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=False)]

"""/email/queue: the mail that waits now, each queue counted once, and how much waited before."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import build_span
from server.api.query_params import SampleBucketsQuery
from server.api.queue_drain import (
    DrainAnswer,
    SilentZoneAnswer,
    build_drain,
    read_silent_zones,
)
from server.api.views import query_view
from server.mailqueues import queries, summary
from server.mailqueues.accounting import Database, Share, count_once
from server.mailqueues.reasons import CLASSES, classify_reply
from server.mailqueues.summary import AGES_S, ReadAt
from server.metrics.catalogue import MAIL_QUEUE
from server.metrics.mail_queue import MailQueue
from server.rollups.plan import Buckets
from server.rollups.samples import queries as sample_queries
from server.rollups.samples.queries import Chosen

MAX_REPLIES = 200
MAX_DESTINATIONS = 50
MAX_REPLIES_OF_DESTINATION = 3
HISTORY = Chosen((*summary.MEANS, "oldest_age_s"))


class QueueQuery(SampleBucketsQuery):
    """Query of /email/queue. The range is that of `history` alone."""

    sample_kind = MAIL_QUEUE


class ReadAnswer(serializers.Serializer[Any]):
    """When it was read; of several readings the oldest counts. Null: never was."""

    read_at = serializers.DateTimeField(allow_null=True)
    age_s = serializers.FloatField(allow_null=True)
    stale = serializers.BooleanField(
        allow_null=True, help_text="Older than three of its agent's intervals."
    )


class ShareAnswer(ReadAnswer):
    """Waiting mail of one instance of ZoneMTA."""

    node = serializers.CharField(
        allow_null=True, help_text="Of stranded mail the node whose it was, where that is known."
    )
    instance = serializers.CharField(
        allow_null=True, help_text="Null: the agent does not report it."
    )
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
    """One class of reasons, found by the words of the replies."""

    reason_class = serializers.ChoiceField(choices=list(CLASSES))
    count = serializers.IntegerField()


class ReplyAnswer(ReasonClassAnswer):
    """The last reply of a remote server, and for how many recipients."""

    response = serializers.CharField()


class ReasonsAnswer(ReadAnswer):
    """Why mail is deferred."""

    of_count = serializers.IntegerField(
        allow_null=True, help_text="Deferred recipients whose reply was read; null: none was."
    )
    rest_count = serializers.IntegerField(
        allow_null=True,
        help_text="Of these, how many have replies too rare to be listed; they are in no class.",
    )
    unread_count = serializers.IntegerField(
        allow_null=True,
        help_text="The other deferred recipients: those without a reply, or past the bound of what"
        " is read. With `of_count` all that are deferred.",
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
    """The queue over the range."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    level = serializers.CharField(help_text="Source: samples, 5m, 1h or daily.")
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="The range began before the oldest readings.")
    databases_count = serializers.IntegerField(help_text="Read at any time in the range.")
    buckets = QueueBucketAnswer(many=True)


class QueueAnswer(ReadAnswer):
    """The mail that waits now, as last read. Counts are null when nothing was read in 7 days.

    Each part has the age of the reading it comes from: of several databases, of the oldest of their
    newest readings. `stale_count`: how much of the total is of stale readings.
    """

    waiting_count = serializers.IntegerField(allow_null=True)
    stale_count = serializers.IntegerField(allow_null=True)
    active_count = serializers.IntegerField(allow_null=True, help_text="Due now.")
    deferred_count = serializers.IntegerField(allow_null=True, help_text="Due later.")
    locked_count = serializers.IntegerField(
        allow_null=True, help_text="On their way just now; of the databases that report it."
    )
    unassigned_count = serializers.IntegerField(
        allow_null=True, help_text="Of no instance yet; of the databases that report it."
    )
    stranded_count = serializers.IntegerField(
        allow_null=True,
        help_text="Of instances that no living agent claims. Null: not known, see `unclaimed`.",
    )
    stranded = ShareAnswer(many=True)
    unclaimed = ShareAnswer(
        many=True,
        help_text="Of instances no agent calls its own, while some agent does not report its own.",
    )
    nodes = ShareAnswer(many=True)
    databases = DatabaseAnswer(many=True)
    zones = ZoneAnswer(many=True)
    oldest = OldestAnswer()
    ages = AgesAnswer()
    reasons = ReasonsAnswer()
    destinations = DestinationsAnswer()
    providers = DrainAnswer(many=True)
    silent_zones = SilentZoneAnswer(many=True)
    history = HistoryAnswer()


def build_queue(*, buckets: Buckets, now: datetime) -> dict[str, Any]:
    databases = count_once(queries.newest_readings(now), now)
    return {
        **_build_read([_read_at(database, now) for database in databases], now),
        **summary.sum_totals(databases, now),
        "stranded": [_build_share(share, now) for d in databases for share in d.stranded or ()],
        "unclaimed": [_build_share(share, now) for d in databases for share in d.unclaimed],
        "nodes": sorted(
            (_build_share(share, now) for d in databases for share in d.shares),
            key=lambda share: (share["node"], share["database"] or ""),
        ),
        "databases": [_build_database(database, now) for database in databases],
        "zones": [
            {
                **_build_read(read, now),
                "zone": zone.zone,
                "waiting_count": zone.active_count + zone.deferred_count,
                "active_count": zone.active_count,
                "deferred_count": zone.deferred_count,
            }
            for zone, read in summary.sum_zones(databases, now)
        ],
        "oldest": _build_oldest(databases, now),
        "ages": _build_ages(databases, now),
        "reasons": _build_reasons(databases, now),
        "destinations": _build_destinations(databases, now),
        "providers": build_drain(databases, now),
        "silent_zones": [asdict(each) for each in read_silent_zones(databases, now)],
        "history": _build_history(buckets),
    }


def _build_history(buckets: Buckets) -> dict[str, Any]:
    rows = sample_queries.series(MAIL_QUEUE, buckets, HISTORY)
    starts = buckets.edges[:-1]
    databases_count, history = summary.average_history(rows, len(starts))
    return {
        **build_span(buckets),
        "databases_count": databases_count,
        "buckets": [
            {"start": start} | bucket for start, bucket in zip(starts, history, strict=True)
        ],
    }


def _read_at(database: Database, now: datetime) -> ReadAt:
    return ReadAt(database.reading.at, database.reading.is_stale(now))


def _build_read(read: Sequence[ReadAt], now: datetime) -> dict[str, Any]:
    """Return the values of ReadAnswer, of when each part was read."""
    if not read:
        return {"read_at": None, "age_s": None, "stale": None}
    oldest = min(part.at for part in read)
    age_s = max(0.0, (now - oldest).total_seconds())
    return {"read_at": oldest, "age_s": age_s, "stale": any(part.is_stale for part in read)}


def _build_share(share: Share, now: datetime) -> dict[str, Any]:
    return {
        **_build_read([ReadAt(share.at, share.stale)], now),
        "node": share.node,
        "instance": share.instance,
        "database": share.database,
        "waiting_count": share.count,
        "read_by": share.reader,
    }


def _build_database(database: Database, now: datetime) -> dict[str, Any]:
    queue = database.reading.queue
    return {
        **_build_read([_read_at(database, now)], now),
        "database": database.name,
        "nodes": list(database.nodes),
        "read_from": queue.source,
        "waiting_count": database.waiting,
        "active_count": queue.active_count,
        "deferred_count": queue.deferred_count,
        "locked_count": queue.locked_count,
    }


def _find_part(
    databases: Sequence[Database], now: datetime, has_part: Callable[[MailQueue], bool]
) -> tuple[list[MailQueue], dict[str, Any]]:
    """Return the readings that have some part, and the values of ReadAnswer."""
    queues, read = summary.find_details(databases, now, has_part)
    return queues, _build_read(read, now)


def _build_oldest(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    queues, read = _find_part(databases, now, lambda queue: queue.oldest_created_at is not None)
    if not queues:
        # Of empty queues there is no oldest message, which is known as of their reading.
        _, read = _find_part(databases, now, lambda _: True)
        return read | {"created_at": None, "waited_s": None, "database": None}
    queue = min(queues, key=lambda queue: queue.oldest_created_at or now)
    name = next(each.name for each in databases if each.detail and each.detail[1] is queue)
    created_at = queue.oldest_created_at or now
    return {
        **read,
        "created_at": created_at,
        "waited_s": max(0.0, (now - created_at).total_seconds()),
        "database": name,
    }


def _build_ages(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    queues, read = _find_part(databases, now, summary.has_known_brackets)
    if not queues:
        return read | {"of_count": None, "brackets": []}
    counts = summary.sum_ages(queues)
    return {
        **read,
        "of_count": counts.total(),
        "brackets": [{"up_to_s": up_to_s, "count": counts[up_to_s]} for up_to_s in AGES_S],
    }


def _build_reasons(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    queues, read = _find_part(databases, now, lambda queue: queue.reasons is not None)
    if not queues:
        counts = dict.fromkeys(("of_count", "rest_count", "unread_count"))
        return read | counts | {"classes": [], "replies": []}
    reasons = summary.sum_reasons(queues, limit=MAX_REPLIES)
    return {
        **read,
        "of_count": reasons.of_count,
        "rest_count": reasons.rest,
        "unread_count": reasons.unread,
        "classes": [{"reason_class": name, "count": reasons.classes[name]} for name in CLASSES],
        "replies": [
            {"response": response, "reason_class": classify_reply(response), "count": count}
            for response, count in reasons.replies
        ],
    }


def _build_destinations(databases: Sequence[Database], now: datetime) -> dict[str, Any]:
    queues, read = _find_part(databases, now, lambda queue: queue.destinations is not None)
    if not queues:
        return read | {"of_count": None, "up_to_s": list(AGES_S), "domains": [], "rest": None}
    destinations = summary.sum_destinations(queues, limit=MAX_DESTINATIONS)
    return {
        **read,
        "of_count": destinations.of_count,
        "up_to_s": list(AGES_S),
        "domains": [
            {
                "domain": each.domain,
                "count": sum(each.counts),
                "counts": each.counts,
                "replies": each.replies[:MAX_REPLIES_OF_DESTINATION],
            }
            for each in destinations.domains
        ],
        "rest": {
            "domains_count": destinations.rest.domains_count,
            "count": sum(destinations.rest.counts),
            "counts": destinations.rest.counts,
        },
    }


QueueView = query_view(
    build_queue, QueueQuery, QueueAnswer, summary="Mail queue", description="Answer as of now."
)

"""Reader of the mail queue in ZoneMTA's MongoDB: sizes, ages, instances, reasons, destinations.

Sources: zone-queue by its own indexes (created; sendingZone, queued, locked, assigned, domain), so
that a long queue costs index scans. Only reasons and destinations read documents, a bounded number
of them, and never the dialogue in `_deferred.log`, which is most of a document. No index has both
domain and created, so destinations are read in the order of the collection, oldest first: 50 000
documents of 5 kB took MongoDB 6.0 0.2 s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from agent import clock
from agent.collectors.mongo_client import LazyMongoClient, translate_errors
from agent.config import Secret
from agent.parsers.zonemta import zone_queues
from agent.samples import (
    MailQueue,
    OtherDestinations,
    QueueAge,
    QueueDestination,
    QueueReason,
    QueueShare,
    ZoneQueue,
)

QUEUE = "zone-queue"
TIMEOUT_MS = 5000
# A longer query is aborted, and the sample with it.
QUESTION_MS = 3000
AGES_S = (60, 300, 1800, 3600, 14_400, 86_400)
MAX_REASONS_READ = 5000
MAX_REASONS = 20
MAX_REASON_CHARS = 200
# Addresses, ids and long numbers in a reply.
VARIABLE_PARTS = re.compile(
    r"<[^<>\s@]*+@[^<>\s]*+>|\b(?=\w*\d)(?=\w*[a-z])[\w-]{8,}\b|\b\d{5,}\b", re.IGNORECASE
)
MAX_INSTANCES = 50
MAX_DESTINATIONS_READ = 50_000
MAX_DESTINATIONS = 50
MAX_REPLIES = 3
MAX_DOMAIN_CHARS = 253


class QueueReader:
    """Reads one queue. Used by one thread."""

    def __init__(self, uri: Secret, *, instance: str = "") -> None:
        self._instance = instance or None
        self._client = LazyMongoClient(uri, timeout_ms=TIMEOUT_MS, socket_timeout_ms=2 * TIMEOUT_MS)

    def read(self) -> MailQueue:
        """Return the present queue. Raises CollectError."""
        with translate_errors("the mail queue cannot be read"):
            return self._read()

    def close(self) -> None:
        self._client.close()

    def _read(self) -> MailQueue:
        from bson import MinKey  # noqa: PLC0415

        client = self._client.get()
        hello = client.admin.command("hello")
        db = client.get_default_database()
        queue = db[QUEUE]
        now = clock.utc_now()
        fields = {
            "zone": "$sendingZone",
            "share": "$assigned",
            "active": {"$lte": ["$queued", now]},
            "locked": "$locked",
        }
        stages: list[dict[str, Any]] = [
            # True of every document: without a condition MongoDB reads the documents instead of the
            # index, which has all fields of the grouping.
            {"$match": {"sendingZone": {"$gte": MinKey()}}},
            {"$group": {"_id": fields, "count": {"$sum": 1}}},
        ]
        groups = queue.aggregate(stages, maxTimeMS=QUESTION_MS)
        counts = [(group["_id"], int(group["count"])) for group in groups]
        oldest = queue.find_one({}, {"created": 1}, sort=[("created", 1)], max_time_ms=QUESTION_MS)
        replies, replies_count = self._reasons(queue, now)
        (of_domains,) = queue.aggregate(destinations_pipeline(now), maxTimeMS=QUESTION_MS)
        domains, others = destinations(of_domains)
        return MailQueue(
            source="mongodb",
            database=identity(hello, db.name),
            instance=self._instance,
            zones=zones(counts),
            active_count=sum(n for key, n in counts if key["active"]),
            deferred_count=sum(n for key, n in counts if not key["active"]),
            locked_count=sum(n for key, n in counts if key.get("locked")),
            oldest_created_at=oldest.get("created") if oldest else None,
            ages=self._ages(queue, now, total=sum(n for _, n in counts)),
            shares=shares(counts),
            reasons=replies,
            reasons_of_count=replies_count,
            destinations=domains,
            other_destinations=others,
            destinations_of_count=sum(others.counts) + sum(sum(one.counts) for one in domains),
        )

    def _ages(self, queue: Any, now: datetime, *, total: int) -> list[QueueAge]:
        ages: list[QueueAge] = []
        before = 0
        for up_to_s in AGES_S:
            younger = queue.count_documents(
                {"created": {"$gt": now - timedelta(seconds=up_to_s)}}, maxTimeMS=QUESTION_MS
            )
            # Mail that arrived meanwhile is in the first bracket; no bracket becomes negative.
            ages.append(QueueAge(up_to_s, max(younger - before, 0)))
            before = max(younger, before)
        return [*ages, QueueAge(None, max(total - before, 0))]

    def _reasons(self, queue: Any, now: datetime) -> tuple[list[QueueReason], int]:
        documents = queue.find(
            {"queued": {"$gt": now}, "_deferred.response": {"$exists": True}},
            {"_deferred.response": 1, "_id": 0},
            limit=MAX_REASONS_READ,
            max_time_ms=QUESTION_MS,
        )
        replies = [
            str(document["_deferred"]["response"])[:MAX_REASON_CHARS] for document in documents
        ]
        return reasons(replies), len(replies)


def identity(hello: dict[str, Any], database: str) -> str:
    """Return the name of a database, the same on every node that shares it. Pure."""
    hosts = sorted(str(host) for host in hello.get("hosts") or [hello.get("me") or ""])
    return f"{hello.get('setName') or 'alone'}/{database}@{hosts[0]}"


def zones(counts: list[tuple[dict[str, Any], int]]) -> list[ZoneQueue]:
    """Return each zone's share of a grouped queue. Pure."""
    active: Counter[str] = Counter()
    deferred: Counter[str] = Counter()
    for key, count in counts:
        (active if key["active"] else deferred)[str(key.get("zone") or "")[:64]] += count
    return zone_queues(active, deferred)


def shares(counts: list[tuple[dict[str, Any], int]]) -> list[QueueShare]:
    """Return each instance's share of a grouped queue, largest first. Pure."""
    shares: Counter[str] = Counter()
    for key, count in counts:
        shares[str(key.get("share") or "no")[:64]] += count
    return [QueueShare(name, count) for name, count in shares.most_common(MAX_INSTANCES)]


def reasons(replies: Iterable[str]) -> list[QueueReason]:
    """Return the most frequent replies, each in its first wording, with their counts. Pure.

    Remote servers put addresses, queue ids and times into their replies; counted verbatim, each
    would be a reason of its own, and none would be among the most frequent.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for reply in replies:
        alike = VARIABLE_PARTS.sub("…", reply)
        counts[alike] += 1
        first.setdefault(alike, reply)
    return [QueueReason(first[alike], count) for alike, count in counts.most_common(MAX_REASONS)]


def destinations_pipeline(now: datetime) -> list[dict[str, Any]]:
    """Return the aggregation for the largest destinations and all ages. Pure."""
    age = {
        "$switch": {
            "branches": [
                {"case": {"$gt": ["$created", now - timedelta(seconds=up_to_s)]}, "then": number}
                for number, up_to_s in enumerate(AGES_S)
            ],
            "default": len(AGES_S),
        }
    }
    cell = {
        "_id": {"domain": "$domain", "age": age},
        "count": {"$sum": 1},
        # Two replies of each cell without collecting them all; missing ones are skipped.
        "first": {"$min": "$_deferred.response"},
        "last": {"$max": "$_deferred.response"},
    }
    cells = {"$push": {"age": "$_id.age", "count": "$count", "replies": ["$first", "$last"]}}
    largest = [
        {"$group": {"_id": "$_id.domain", "count": {"$sum": "$count"}, "cells": cells}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MAX_DESTINATIONS},
    ]
    return [
        {"$limit": MAX_DESTINATIONS_READ},
        {"$group": cell},
        {
            "$facet": {
                "largest": largest,
                "ages": [{"$group": {"_id": "$_id.age", "count": {"$sum": "$count"}}}],
                "domains": [{"$group": {"_id": "$_id.domain"}}, {"$count": "count"}],
            }
        },
    ]


def destinations(result: dict[str, Any]) -> tuple[list[QueueDestination], OtherDestinations]:
    """Return the largest destinations and the sum of the others from a result. Pure."""
    rest = [0] * (len(AGES_S) + 1)
    for age in result["ages"]:
        rest[age["_id"]] = int(age["count"])
    largest: list[QueueDestination] = []
    for domain in result["largest"]:
        counts = [0] * len(rest)
        replies: Counter[str] = Counter()
        for cell in domain["cells"]:
            counts[cell["age"]] = int(cell["count"])
            rest[cell["age"]] -= int(cell["count"])
            for reply in {str(reply)[:MAX_REASON_CHARS] for reply in cell["replies"] if reply}:
                replies[reply] += int(cell["count"])
        # The replies of the most mail come first.
        samples = [reply for reply, _ in replies.most_common(MAX_REPLIES)]
        name = str(domain["_id"] or "")[:MAX_DOMAIN_CHARS]
        largest.append(QueueDestination(name, counts, samples))
    domains_count = sum(int(row["count"]) for row in result["domains"]) - len(largest)
    return largest, OtherDestinations(domains_count, rest)

"""Reader of the mail queue in ZoneMTA's MongoDB: sizes, ages, instances, reasons, destinations.

Sources: zone-queue by its own indexes (created; sendingZone, queued, locked, assigned, domain), so
that a long queue costs index scans. Only reasons and destinations read documents, a bounded number
of them, and never the dialogue in `_deferred.log`, which is most of a document. No index has both
domain and created, so destinations are read in the order of the collection, oldest first: 50 000
documents of 5 kB took MongoDB 6.0 0.2 s. MongoDB counts equal replies; those that differ only by
ids and addresses are grouped here.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from agent import clock
from agent.collectors.mongo_client import LazyMongoClient, translate_errors
from agent.collectors.mongodb import hosts_of, is_loopback
from agent.config import Secret
from agent.parsers.replies import group
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
# In how long ZoneMTA gives a recipient up, and its default waits after failures: the next failure
# after the last wait is final (ZoneMTA 3.11, lib/sender.js, config/default.js).
EXPIRIES_S = (3600, 14_400, 43_200, 86_400, 172_800)
DEFER_TIMES_MIN = (5, 7, 8, 25, 75, 120, *(240,) * 11)
MAX_QUEUE_TIME_MS = 30 * 86_400_000
MAX_DEFERRED_READ = 50_000
# Of the different texts of these, most frequent first; grouping one takes 10 µs.
MAX_REPLIES_READ = MAX_DEFERRED_READ
MAX_REASONS = 100
MAX_REASON_CHARS = 500
MAX_REPLY_CHARS = 200
MAX_INSTANCES = 1000
MAX_DESTINATIONS_READ = 50_000
MAX_DESTINATIONS = 50
MAX_REPLIES = 3
MAX_DOMAIN_CHARS = 253
NEVER_MS = 2**53


class QueueReader:
    """Reads one queue. Used by one thread."""

    def __init__(self, uri: Secret, *, node: str = "", instance: str = "") -> None:
        self._instance = instance or None
        # Of a standalone, which has no name of its own: the address that all its readers use.
        address = min(hosts_of(uri).split(","))
        is_socket = address.upper().startswith("%2F")
        self.place = node if is_socket or is_loopback(address) else address
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
        of_each = [others.expiries, *(one.expiries for one in domains)]
        expiries = [sum(counts) for counts in zip(*of_each, strict=True)]
        return MailQueue(
            source="mongodb",
            database=identity(hello, db.name, place=self.place),
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
            expiries=[*map(QueueAge, (*EXPIRIES_S, None), expiries)],
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
        found = queue.aggregate(reasons_pipeline(now), maxTimeMS=QUESTION_MS)
        replies = ((str(row["_id"]), int(row["count"])) for row in found)
        groups, rest = group(islice(replies, MAX_REPLIES_READ), limit=MAX_REASONS)
        rest += sum(count for _, count in replies)
        listed = [QueueReason(reply, count) for reply, count in groups]
        return listed, rest + sum(reason.count for reason in listed)


def identity(hello: dict[str, Any], database: str, *, place: str = "") -> str:
    """Return the name of a database, the same on every node that shares it. Pure.

    `place`: of a server whose own name is none on another node.
    """
    if hello.get("msg") == "isdbgrid":
        # Each node may have a router of its own, whose address says nothing of the cluster.
        return f"mongos/{database}@cluster"
    first = min(map(str, hello.get("hosts") or [hello.get("me") or ""]))
    where = first if first and not is_loopback(first) else place or first
    return f"{hello.get('setName') or 'alone'}/{database}@{where}"


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


def reasons_pipeline(now: datetime) -> list[dict[str, Any]]:
    """Return the aggregation for the last replies to deferred mail, most frequent first. Pure."""
    reply = {"$substrCP": ["$_deferred.response", 0, MAX_REASON_CHARS]}
    return [
        {"$match": {"queued": {"$gt": now}, "_deferred.response": {"$type": "string"}}},
        {"$limit": MAX_DEFERRED_READ},
        {"$group": {"_id": reply, "count": {"$sum": 1}}},
        {"$sort": {"count": -1, "_id": 1}},
    ]


def _as_ms(field: str) -> dict[str, Any]:
    """Return an expression of a time in ms since 1970; what is none is so late as to be never."""
    return {"$convert": {"input": field, "to": "long", "onError": NEVER_MS, "onNull": NEVER_MS}}


def expiry_bracket(now: datetime) -> dict[str, Any]:
    """Return an expression for the place in EXPIRIES_S of when ZoneMTA gives a recipient up: if all
    attempts fail that are still to come, or for its age. Pure."""
    waits_ms = [60_000 * sum(DEFER_TIMES_MIN[n:]) for n in range(len(DEFER_TIMES_MIN) + 1)]
    failures = {"$convert": {"input": "$_deferred.count", "to": "int", "onError": 0, "onNull": 0}}
    place = {"$max": [0, {"$min": [failures, len(DEFER_TIMES_MIN)]}]}
    last_attempt = {"$add": [_as_ms("$queued"), {"$arrayElemAt": [waits_ms, place]}]}
    expires = {"$min": [last_attempt, {"$add": [_as_ms("$created"), MAX_QUEUE_TIME_MS]}]}
    now_ms = clock.to_ms(now)
    return {
        "$switch": {
            "branches": [
                {"case": {"$lt": [expires, now_ms + 1000 * up_to_s]}, "then": number}
                for number, up_to_s in enumerate(EXPIRIES_S)
            ],
            "default": len(EXPIRIES_S),
        }
    }


def destinations_pipeline(now: datetime) -> list[dict[str, Any]]:
    """Return the aggregation for the largest destinations, all ages and expiries. Pure."""
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
        "_id": {"domain": "$domain", "age": age, "expiry": expiry_bracket(now)},
        "count": {"$sum": 1},
        # Two replies of each cell without collecting them all; missing ones are skipped.
        "first": {"$min": "$_deferred.response"},
        "last": {"$max": "$_deferred.response"},
    }
    cells = {
        "$push": {
            "age": "$_id.age",
            "expiry": "$_id.expiry",
            "count": "$count",
            "replies": ["$first", "$last"],
        }
    }
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
                "expiries": [{"$group": {"_id": "$_id.expiry", "count": {"$sum": "$count"}}}],
                "domains": [{"$group": {"_id": "$_id.domain"}}, {"$count": "count"}],
            }
        },
    ]


def destinations(result: dict[str, Any]) -> tuple[list[QueueDestination], OtherDestinations]:
    """Return the largest destinations and the sum of the others from a result. Pure."""
    rest, expiries_of_rest = [0] * (len(AGES_S) + 1), [0] * (len(EXPIRIES_S) + 1)
    for counts, groups in ((rest, "ages"), (expiries_of_rest, "expiries")):
        for group_ in result[groups]:
            counts[group_["_id"]] = int(group_["count"])
    largest: list[QueueDestination] = []
    for domain in result["largest"]:
        counts, expiries = [0] * len(rest), [0] * len(expiries_of_rest)
        replies: Counter[str] = Counter()
        for cell in domain["cells"]:
            counts[cell["age"]] += int(cell["count"])
            rest[cell["age"]] -= int(cell["count"])
            expiries[cell["expiry"]] += int(cell["count"])
            expiries_of_rest[cell["expiry"]] -= int(cell["count"])
            for reply in {str(reply)[:MAX_REPLY_CHARS] for reply in cell["replies"] if reply}:
                replies[reply] += int(cell["count"])
        # The replies of the most mail come first.
        samples = [reply for reply, _ in replies.most_common(MAX_REPLIES)]
        name = str(domain["_id"] or "")[:MAX_DOMAIN_CHARS]
        largest.append(QueueDestination(name, counts, samples, expiries))
    domains_count = sum(int(row["count"]) for row in result["domains"]) - len(largest)
    return largest, OtherDestinations(domains_count, rest, expiries_of_rest)

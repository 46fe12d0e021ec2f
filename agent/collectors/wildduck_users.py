"""Totals of WildDuck's users and mail, counted in its MongoDB or by paging its API."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent import clock
from agent.collectors.local_http import LocalHttp
from agent.collectors.mongo_client import LazyMongoClient, translate_errors
from agent.config import Secret
from agent.errors import CollectError
from agent.parsers import wildduck
from agent.parsers.values import count, text, total
from agent.parsers.wildduck import User
from agent.samples import WildDuckReadings

if TYPE_CHECKING:
    from pymongo.database import Database

NEARLY_FULL_RATIO = 0.9
MAX_FULLEST = 30

TIMEOUT_MS = 5000
# A query reads all users; it runs every few minutes, on a secondary where there is one.
QUESTION_MS = 10_000

PAGE_USERS = 250  # the API's maximum
# Bounds of one run: WildDuck counts all users again for each page.
MAX_PAGES = 40
MAX_RUN_S = 5.0
# A slower page ends the run, so that a busy WildDuck is left alone.
SLOW_PAGE_S = 1.0


class MongoUsers:
    """Counts users in WildDuck's database. Used by one thread."""

    def __init__(self, uri: Secret) -> None:
        self._client = LazyMongoClient(
            uri,
            timeout_ms=TIMEOUT_MS,
            socket_timeout_ms=2 * QUESTION_MS,
            unicode_decode_error_handler="replace",
        )
        self._default_quota = 0  # of the last count

    def count(self, default_quota: Callable[[], int | None]) -> WildDuckReadings:
        """Return the totals. `default_quota` returns the quota of users without their own. Raises
        CollectError."""
        with translate_errors("WildDuck's users cannot be counted in MongoDB"):
            return self._count(self._client.get().get_default_database(), default_quota)

    def page(self, after: str | None, limit: int) -> tuple[list[User], str | None]:
        """Return the users whose id follows `after`, and the id of the last, None at the end.
        Raises CollectError."""
        from bson import ObjectId  # noqa: PLC0415

        with translate_errors("WildDuck's users cannot be read"):
            where = {"_id": {"$gt": ObjectId(after)}} if after else {}
            stages: list[dict[str, Any]] = [
                {"$match": where},
                {"$sort": {"_id": 1}},
                {"$limit": limit + 1},  # one more shows whether there is a next page
                {"$project": _shape(self._default_quota)},
            ]
            users = self._client.get().get_default_database()["users"]
            rows = list(users.aggregate(stages, maxTimeMS=QUESTION_MS))
        more = str(rows[limit - 1]["_id"]) if len(rows) > limit else None
        return [_user(row) for row in rows[:limit]], more

    def close(self) -> None:
        self._client.close()

    def _count(
        self, db: Database[dict[str, Any]], default_quota: Callable[[], int | None]
    ) -> WildDuckReadings:
        row = db["settings"].find_one({"key": wildduck.DEFAULT_QUOTA}, max_time_ms=QUESTION_MS)
        # Users without a quota of their own have this one, where it can be read.
        default = (count(row.get("value")) if row else None) or default_quota()
        self._default_quota = default or 0
        full = {"$and": [{"$gt": ["$allowed", 0]}, {"$gte": ["$ratio", NEARLY_FULL_RATIO]}]}
        shaped = _shape(self._default_quota) | {"disabled": 1, "suspended": 1}
        ratio = {"$cond": [{"$gt": ["$allowed", 0]}, {"$divide": ["$used", "$allowed"]}, 0]}
        stages: list[dict[str, Any]] = [{"$project": shaped}, {"$addFields": {"ratio": ratio}}]
        sums = {
            "$group": {
                "_id": None,
                "users": {"$sum": 1},
                "disabled": {"$sum": {"$cond": [{"$or": ["$disabled", "$suspended"]}, 1, 0]}},
                "used": {"$sum": "$used"},
                "allowed": {"$sum": "$allowed"},
                "unlimited": {"$sum": {"$cond": [{"$gt": ["$allowed", 0]}, 0, 1]}},
                "full": {"$sum": {"$cond": [full, 1, 0]}},
            }
        }
        totals = next(iter(db["users"].aggregate([*stages, sums], maxTimeMS=QUESTION_MS)), {})
        top = [*stages, {"$match": {"allowed": {"$gt": 0}}}, {"$sort": {"ratio": -1}}]
        fullest = db["users"].aggregate([*top, {"$limit": MAX_FULLEST}], maxTimeMS=QUESTION_MS)
        sizes = db.command("dbStats", maxTimeMS=QUESTION_MS)
        # With unlimited users the sum of the limits is no limit.
        limited = not totals.get("unlimited")
        return WildDuckReadings(
            source="mongodb",
            counted_at=clock.utc_now(),
            users_count=count(totals.get("users", 0)),
            users_disabled_count=count(totals.get("disabled", 0)),
            messages_count=db["messages"].estimated_document_count(maxTimeMS=QUESTION_MS),
            storage_used_bytes=count(totals.get("used", 0)),
            quota_bytes=count(totals.get("allowed", 0)) if limited else None,
            users_over_quota_90_percent_count=count(totals.get("full", 0)),
            database_bytes=total(count(sizes.get(part)) for part in ("storageSize", "indexSize")),
            quotas=wildduck.fullest([_user(row) for row in fullest], limit=MAX_FULLEST),
        )


class ApiUsers:
    """Counts users by paging through the API, a few pages a run. Used by one thread."""

    def __init__(self, http: LocalHttp) -> None:
        self._http = http
        self._round = _Round()
        self._totals = WildDuckReadings()
        self._known_count: int | None = None
        self.was_slow = False  # the last page

    def count(self) -> WildDuckReadings:
        """Continue where the last run ended; return the totals of the last complete round. Raises
        CollectError."""
        end_s = clock.monotonic_s() + MAX_RUN_S
        for _ in range(MAX_PAGES):
            began_s = clock.monotonic_s()
            if self._read_page():
                break
            now_s = clock.monotonic_s()
            self.was_slow = now_s - began_s > SLOW_PAGE_S
            if self.was_slow or now_s > end_s:
                break
        if self._totals.counted_at is None and self._known_count is not None:
            return WildDuckReadings(source="api", users_count=self._known_count)
        return self._totals

    def page(self, after: str | None, limit: int) -> tuple[list[User], str | None]:
        """Return the users of the page at the cursor `after`, and the next cursor, None at the end.
        Raises CollectError."""
        page = self._request_page(after, limit)
        return page.users[:limit], page.next

    def _request_page(self, cursor: str | None, limit: int) -> wildduck.Page:
        place = f"&next={quote(cursor, safe='')}" if cursor else ""
        try:
            return wildduck.parse_page(self._http.get(f"/users?limit={limit}{place}"))
        except (CollectError, ValueError, RecursionError) as error:
            raise CollectError(f"WildDuck's users cannot be read: {error}") from error

    def _read_page(self) -> bool:
        """Read one page; return whether it was the last."""
        try:
            page = self._request_page(self._round.cursor, PAGE_USERS)
        except CollectError:
            # The cursor may have become invalid, so the counts so far are incomplete.
            self._round = _Round()
            raise
        self._known_count = page.total
        self._round.add(page.users)
        # The same cursor again would be an endless loop.
        if page.next and page.users and page.next != self._round.cursor:
            self._round.cursor = page.next
            return False
        self._totals = self._round.totals()
        self._round = _Round()
        return True


class _Round:
    """One round through all users."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self._users = self._disabled = self._used = self._allowed = self._unlimited = 0
        self._nearly_full = 0
        self._fullest: list[User] = []

    def add(self, users: list[User]) -> None:
        limited = [user for user in users if user.allowed_bytes]
        self._users += len(users)
        self._disabled += sum(user.is_disabled for user in users)
        self._used += sum(user.used_bytes for user in users)
        self._allowed += sum(user.allowed_bytes for user in limited)
        self._unlimited += len(users) - len(limited)
        self._nearly_full += sum(user.used_ratio >= NEARLY_FULL_RATIO for user in limited)
        candidates = [*self._fullest, *limited]
        self._fullest = heapq.nlargest(MAX_FULLEST, candidates, key=lambda user: user.used_ratio)

    def totals(self) -> WildDuckReadings:
        return WildDuckReadings(
            source="api",
            counted_at=clock.utc_now(),
            users_count=self._users,
            users_disabled_count=self._disabled,
            storage_used_bytes=self._used,
            quota_bytes=None if self._unlimited else self._allowed,
            users_over_quota_90_percent_count=self._nearly_full,
            quotas=wildduck.fullest(self._fullest, limit=MAX_FULLEST),
        )


def _shape(default_quota: int) -> dict[str, Any]:
    """Return the projection of a user. `default_quota`: of those without their own."""
    return {
        "username": 1,
        "used": {"$ifNull": ["$storageUsed", 0]},
        "allowed": {"$cond": [{"$gt": ["$quota", 0]}, "$quota", default_quota]},
    }


def _user(row: dict[str, Any]) -> User:
    return User(
        username=text(row.get("username"), limit=254) or "",
        used_bytes=count(row.get("used")) or 0,
        allowed_bytes=count(row.get("allowed")) or 0,
        is_disabled=bool(row.get("disabled")),
    )

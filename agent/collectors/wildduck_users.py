"""How many users WildDuck has and how much mail: counted in its MongoDB, or by paging its API."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent import __version__, clock
from agent.collectors.local_http import LocalHttp
from agent.config import Secret
from agent.errors import CollectError
from agent.parsers import wildduck
from agent.parsers.values import count, text, total
from agent.parsers.wildduck import User
from agent.samples import WildDuckReadings

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

NEARLY_FULL_RATIO = 0.9
FULLEST_KEPT = 30

TIMEOUT_MS = 5000
# One question reads all users; it is asked every few minutes, of a secondary where there is one.
QUESTION_MS = 10_000

PAGE_USERS = 250  # the most the API gives at once
# What one run may cost WildDuck: it counts all users anew for each page.
PAGES_A_RUN = 40
RUN_S = 5.0
# A page slower than this ends the run: the machine has better things to do.
SLOW_PAGE_S = 1.0


class MongoUsers:
    """Counts in WildDuck's database. Used by one thread."""

    def __init__(self, uri: Secret) -> None:
        self._uri = uri
        self._client: MongoClient[dict[str, Any]] | None = None
        self._default_quota = 0  # as it was when they were counted last

    def count(self, default_quota: Callable[[], int | None]) -> WildDuckReadings:
        """Return the totals. `default_quota`: gives what a user without a quota of their own may
        use. Raises CollectError."""
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        try:
            return self._count(self._opened().get_default_database(), default_quota)
        except PyMongoError as error:
            raise CollectError(
                f"WildDuck's users cannot be counted in MongoDB: {_short(error)}"
            ) from error

    def page(self, after: str | None, most: int) -> tuple[list[User], str | None]:
        """Return the users whose id follows `after`, and the id to go on from; None after the last.
        Raises CollectError."""
        from bson import ObjectId  # noqa: PLC0415
        from bson.errors import InvalidId  # noqa: PLC0415
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        try:
            where = {"_id": {"$gt": ObjectId(after)}} if after else {}
            stages: list[dict[str, Any]] = [
                {"$match": where},
                {"$sort": {"_id": 1}},
                {"$limit": most + 1},  # one more tells that there is more
                {"$project": _shape(self._default_quota)},
            ]
            users = self._opened().get_default_database()["users"]
            rows = list(users.aggregate(stages, maxTimeMS=QUESTION_MS))
        except (PyMongoError, InvalidId) as error:
            raise CollectError(f"WildDuck's users cannot be read: {_short(error)}") from error
        more = str(rows[most - 1]["_id"]) if len(rows) > most else None
        return [_user(row) for row in rows[:most]], more

    def close(self) -> None:
        """Close the connection; the next count opens one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _count(
        self, db: Database[dict[str, Any]], default_quota: Callable[[], int | None]
    ) -> WildDuckReadings:
        row = db["settings"].find_one({"key": wildduck.DEFAULT_QUOTA}, max_time_ms=QUESTION_MS)
        # Users without a quota of their own share this one, where somebody set or tells it.
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
        found = next(iter(db["users"].aggregate([*stages, sums], maxTimeMS=QUESTION_MS)), {})
        top = [*stages, {"$match": {"allowed": {"$gt": 0}}}, {"$sort": {"ratio": -1}}]
        fullest = db["users"].aggregate([*top, {"$limit": FULLEST_KEPT}], maxTimeMS=QUESTION_MS)
        sizes = db.command("dbStats", maxTimeMS=QUESTION_MS)
        # A sum over users without any limit would be no limit of the whole.
        limited = not found.get("unlimited")
        return WildDuckReadings(
            source="mongodb",
            counted_at=clock.utc_now(),
            users_count=count(found.get("users", 0)),
            users_disabled_count=count(found.get("disabled", 0)),
            messages_count=db["messages"].estimated_document_count(maxTimeMS=QUESTION_MS),
            storage_used_bytes=count(found.get("used", 0)),
            quota_bytes=count(found.get("allowed", 0)) if limited else None,
            users_over_quota_90_percent_count=count(found.get("full", 0)),
            database_bytes=total(count(sizes.get(part)) for part in ("storageSize", "indexSize")),
            quotas=wildduck.fullest([_user(row) for row in fullest], most=FULLEST_KEPT),
        )

    def _opened(self) -> MongoClient[dict[str, Any]]:
        if self._client is None:
            from pymongo import MongoClient  # noqa: PLC0415

            self._client = MongoClient(
                self._uri.reveal(),
                appname=f"mallard-agent/{__version__}",
                tz_aware=True,
                unicode_decode_error_handler="replace",
                serverSelectionTimeoutMS=TIMEOUT_MS,
                connectTimeoutMS=TIMEOUT_MS,
                socketTimeoutMS=2 * QUESTION_MS,
                maxPoolSize=1,
                # What is read every few minutes needs no server watched every ten seconds.
                heartbeatFrequencyMS=60_000,
                serverMonitoringMode="poll",
                readPreference="secondaryPreferred",
            )
        return self._client


class ApiUsers:
    """Counts by paging through the API, as many pages a run as WildDuck bears. Used by one
    thread."""

    def __init__(self, http: LocalHttp) -> None:
        self._http = http
        self._round = _Round()
        self._totals = WildDuckReadings()
        self._known_count: int | None = None
        self.was_slow = False  # the last page that was counted

    def count(self) -> WildDuckReadings:
        """Read on where the last run ended; return the totals of the last round that came to its
        end. Raises CollectError."""
        end_s = clock.monotonic_s() + RUN_S
        for _ in range(PAGES_A_RUN):
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

    def page(self, after: str | None, most: int) -> tuple[list[User], str | None]:
        """Return the users of the page at the cursor `after`, and the next cursor; None after the
        last. Raises CollectError."""
        found = self._ask(after, most)
        return found.users[:most], found.next

    def _ask(self, cursor: str | None, limit: int) -> wildduck.Page:
        place = f"&next={quote(cursor, safe='')}" if cursor else ""
        try:
            return wildduck.page(self._http.get(f"/users?limit={limit}{place}"))
        except (CollectError, ValueError, RecursionError) as error:
            raise CollectError(f"WildDuck's users cannot be read: {error}") from error

    def _read_page(self) -> bool:
        """Read one page; return whether it was the last."""
        try:
            page = self._ask(self._round.cursor, PAGE_USERS)
        except CollectError:
            # A cursor may have become worthless; what was counted so far belongs to no whole.
            self._round = _Round()
            raise
        self._known_count = page.total
        self._round.add(page.users)
        # The same cursor again would be read for ever.
        if page.next and page.users and page.next != self._round.cursor:
            self._round.cursor = page.next
            return False
        self._totals = self._round.totals()
        self._round = _Round()
        return True


class _Round:
    """One way through all users."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self._users = self._disabled = self._used = self._allowed = self._unlimited = 0
        self._nearly_full = 0
        self._fullest: list[tuple[float, int, User]] = []

    def add(self, users: list[User]) -> None:
        for user in users:
            self._users += 1
            self._disabled += user.is_disabled
            self._used += user.used_bytes
            self._allowed += user.allowed_bytes
            if not user.allowed_bytes:
                self._unlimited += 1
                continue
            ratio = user.used_bytes / user.allowed_bytes
            self._nearly_full += ratio >= NEARLY_FULL_RATIO
            entry = (ratio, -self._users, user)
            if len(self._fullest) < FULLEST_KEPT:
                heapq.heappush(self._fullest, entry)
            else:
                heapq.heappushpop(self._fullest, entry)

    def totals(self) -> WildDuckReadings:
        return WildDuckReadings(
            source="api",
            counted_at=clock.utc_now(),
            users_count=self._users,
            users_disabled_count=self._disabled,
            storage_used_bytes=self._used,
            quota_bytes=None if self._unlimited else self._allowed,
            users_over_quota_90_percent_count=self._nearly_full,
            quotas=wildduck.fullest([user for *_, user in self._fullest], most=FULLEST_KEPT),
        )


def _shape(default_quota: int) -> dict[str, Any]:
    """Return what is read of a user. `default_quota`: of those who have none of their own."""
    return {
        "username": 1,
        "used": {"$ifNull": ["$storageUsed", 0]},
        "allowed": {"$cond": [{"$gt": ["$quota", 0]}, "$quota", default_quota]},
    }


def _short(error: Exception) -> str:
    return str(error).partition(", full error")[0].partition(", Timeout:")[0][:200]


def _user(row: dict[str, Any]) -> User:
    return User(
        username=text(row.get("username"), limit=254) or "",
        used_bytes=count(row.get("used")) or 0,
        allowed_bytes=count(row.get("allowed")) or 0,
        is_disabled=bool(row.get("disabled")),
    )

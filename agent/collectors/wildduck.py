"""WildDuck: does it live, its users and their mail, and its own metrics where it has them.

Sources: /health and /users of its API, its MongoDB where that is configured, its /metrics on a port
of its own. Each goes without the others; the log says once what is missing.
"""

import logging
from pathlib import Path

import msgspec

from agent import clock
from agent.collectors.local_http import OK, LocalHttp
from agent.collectors.wildduck_rotation import FILE_NAME, Rotation
from agent.collectors.wildduck_users import ApiUsers, MongoUsers, UserTotals
from agent.config import Config
from agent.errors import CollectError, SourceAbsent
from agent.logs import Repeats
from agent.parsers import wildduck
from agent.parsers.wildduck import Health, Metrics
from agent.samples import QuotaRotation, WildDuckReadings, WildDuckSample

logger = logging.getLogger(__name__)

SAID_AGAIN_S = 24 * 3600.0


class WildDuckCollector:
    """Reads one WildDuck."""

    name = "wildduck"

    def __init__(self, config: Config) -> None:
        settings = config.discovery
        self._node = config.node_id
        token = settings.wildduck_token.reveal()
        headers = {"X-Access-Token": token} if token else {}
        self._api = LocalHttp(settings.wildduck_api_url, what="WildDuck", headers=headers)
        self._metrics = LocalHttp(settings.wildduck_metrics_url, what="WildDuck's metrics")
        uri = settings.wildduck_mongodb_uri
        self._mongo = MongoUsers(uri) if uri else None
        self._pages = ApiUsers(self._api)
        self._rotation = Rotation(Path(config.state_dir) / FILE_NAME)
        self._repeats = Repeats(logger, period_s=SAID_AGAIN_S)
        # Of its own: users that cannot be read are not mended by a good health.
        self._users_repeats = Repeats(logger, period_s=SAID_AGAIN_S)
        self._was_there = False

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError, SourceAbsent when there is no
        WildDuck."""
        metrics = self._read_metrics()
        health = self._read_health()
        # What is gone was there: that is no absence but an outage, and must be seen as one.
        if health is None and metrics is None and not self._was_there and self._mongo is None:
            raise SourceAbsent(f"WildDuck does not listen at {self._api.url or 'any address'}")
        self._was_there = self._was_there or health is not None or metrics is not None
        users, rotation = self._read_users(health)
        sample = WildDuckSample(
            node_id=self._node,
            timestamp=clock.utc_now(),
            wildduck=readings(
                health,
                metrics,
                users,
                rotation,
                now_s=clock.now_ms() // 1000,
                asked=bool(self._api.url),
            ),
        )
        return msgspec.json.encode(sample)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._metrics.close()
        if self._mongo is not None:
            self._mongo.close()

    def _read_health(self) -> Health | None:
        """Return what the API says of its health; None when nobody answers there."""
        if not self._api.url:
            return None
        try:
            answer = self._api.ask("/health")
            is_known = self._was_there or answer.server == wildduck.SERVER
            health = wildduck.health(answer.status, answer.body, is_known=is_known)
        except SourceAbsent:
            return None
        except (CollectError, ValueError, RecursionError) as error:
            if not self._was_there:
                logger.debug("%s/health: %s", self._api.url, error)
                return None  # another program's port
            # It took the connection and has no answer: that is not health.
            self._repeats.warn("health", "%s/health: %s", self._api.url, error)
            return Health(is_healthy=False, error=str(error))
        if health.is_healthy is None:
            self._repeats.warn(
                "token",
                "WildDuck at %s wants a token. Set wildduck_token of [discovery] to accessToken of"
                " its configuration ([api]).",
                self._api.url,
            )
        elif not health.is_healthy:
            self._repeats.warn("ill", "WildDuck says that it is not well: %s", health.error)
        else:
            self._repeats.over("WildDuck answers again.")
        return health

    def _read_metrics(self) -> Metrics | None:
        if not self._metrics.url:
            return None
        try:
            answer = self._metrics.ask("/metrics")
            if answer.status != OK:
                return None  # another program's port
            return wildduck.metrics(answer.body.decode("utf-8", "replace"))
        except (CollectError, ValueError, RecursionError):
            return None  # off unless switched on: nothing to complain of

    def _read_users(self, health: Health | None) -> tuple[UserTotals | None, QuotaRotation | None]:
        """Return the totals and the next page of quotas, each where it can be read."""
        users: UserTotals | None = None
        try:
            if self._mongo is not None:
                users = self._mongo.count(self._default_quota)
                return users, self._rotation.page("mongodb", self._mongo.page)
            if health is not None and health.is_healthy:
                users = self._pages.count()
                if not self._pages.was_slow:
                    return users, self._rotation.page("api", self._pages.page)
        except CollectError as error:
            self._users_repeats.warn("users", "%s", error)
        return users, None

    def _default_quota(self) -> int | None:
        try:
            return wildduck.default_quota(self._api.get("/settings"))
        except (CollectError, ValueError, RecursionError):
            return None  # no token, or a version without settings


def readings(
    health: Health | None,
    metrics: Metrics | None,
    users: UserTotals | None,
    rotation: QuotaRotation | None = None,
    *,
    now_s: int,
    asked: bool,
) -> WildDuckReadings:
    """Return what was found as the sample has it. Pure. `now_s`: seconds since 1970; `asked`:
    whether no health means that the API does not answer."""
    users = users or UserTotals(source="api")
    known = users.users_count is not None
    started_at_s = metrics.started_at_s if metrics else None
    return WildDuckReadings(
        version=(health.version if health else None) or (metrics.version if metrics else None),
        source=users.source if known else None,
        counted_at=users.counted_at,
        is_healthy=health.is_healthy if health else (False if asked else None),
        users_count=users.users_count,
        users_disabled_count=users.users_disabled_count,
        messages_count=users.messages_count,
        storage_used_bytes=users.storage_used_bytes,
        quota_bytes=users.quota_bytes,
        users_over_quota_90_percent_count=users.nearly_full_count,
        database_bytes=users.database_bytes,
        quotas=users.quotas,
        quota_rotation=rotation,
        services=metrics.services if metrics else None,
        connections=metrics.connections if metrics else None,
        auth_success_total=metrics.auth_success_total if metrics else None,
        auth_failure_total=metrics.auth_failure_total if metrics else None,
        auth_limited_total=metrics.auth_limited_total if metrics else None,
        auth_error_total=metrics.auth_error_total if metrics else None,
        uptime_s=max(now_s - started_at_s, 0) if started_at_s else None,
        memory_rss_bytes=metrics.memory_rss_bytes if metrics else None,
        event_loop_lag_p99_ms=metrics.event_loop_lag_p99_ms if metrics else None,
    )

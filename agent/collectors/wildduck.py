"""Collector of WildDuck: health, users, storage, and its own metrics.

Sources: /health and /users of its API, its MongoDB where that is configured, /metrics on a port of
their own. Each works without the others; the log names a missing one once.
"""

import logging
from pathlib import Path

import msgspec

from agent import clock
from agent.collectors.base import Collector
from agent.collectors.local_http import OK, LocalHttp
from agent.collectors.wildduck_rotation import FILE_NAME, Rotation
from agent.collectors.wildduck_users import ApiUsers, MongoUsers
from agent.config import Config
from agent.errors import CollectError, SourceAbsent, certificate_fix
from agent.logs import RateLimitedLog
from agent.parsers import wildduck
from agent.parsers.wildduck import Health, Metrics
from agent.samples import QuotaRotation, WildDuckMetrics, WildDuckReadings

logger = logging.getLogger(__name__)

REPEAT_PERIOD_S = 24 * 3600.0


class WildDuckCollector(Collector):
    """Collects from one WildDuck."""

    name = "wildduck"

    def __init__(self, config: Config) -> None:
        settings = config.discovery
        self._node = config.node_id
        token = settings.wildduck_token.reveal()
        headers = {"X-Access-Token": token} if token else {}
        self._api = LocalHttp(
            settings.wildduck_api_url, what="WildDuck", headers=headers, ca_file=settings.ca_file
        )
        self._metrics = LocalHttp(
            settings.wildduck_metrics_url, what="WildDuck's metrics", ca_file=settings.ca_file
        )
        uri = settings.wildduck_mongodb_uri
        self._mongo = MongoUsers(uri) if uri else None
        self._pages = ApiUsers(self._api)
        self._rotation = Rotation(Path(config.state_dir) / FILE_NAME)
        self._warnings = RateLimitedLog(logger, period_s=REPEAT_PERIOD_S)
        # Separate, because a good health does not resolve unreadable users.
        self._user_warnings = RateLimitedLog(logger, period_s=REPEAT_PERIOD_S)
        self._was_present = False

    def collect(self) -> bytes:
        metrics = self._read_metrics()
        health = self._read_health()
        # Once it was present, silence is an outage and must be visible as one.
        if health is None and metrics is None and not self._was_present and self._mongo is None:
            raise SourceAbsent(f"WildDuck does not listen at {self._api.url or 'any address'}")
        self._was_present = self._was_present or health is not None or metrics is not None
        users, rotation = self._read_users(health)
        metrics = metrics or Metrics()
        uptime_s = None
        if metrics.started_at_s:
            uptime_s = max(clock.now_ms() // 1000 - metrics.started_at_s, 0)
        silent = False if self._api.url else None  # a configured API that does not respond is down
        readings = msgspec.structs.replace(
            users,
            version=(health.version if health else None) or metrics.version,
            is_healthy=health.is_healthy if health else silent,
            quota_rotation=rotation,
            uptime_s=uptime_s,
            **{name: getattr(metrics, name) for name in WildDuckMetrics.__struct_fields__},
        )
        return self._encode(wildduck=readings)

    def close(self) -> None:
        self._api.close()
        self._metrics.close()
        if self._mongo is not None:
            self._mongo.close()

    def _read_health(self) -> Health | None:
        """Return the health from the API; None without a response. Raises CollectError when its
        certificate is not trusted."""
        if not self._api.url:
            return None
        try:
            answer = self._api.request("/health")
            is_known = self._was_present or answer.server == wildduck.SERVER
            health = wildduck.parse_health(answer.status, answer.body, is_known=is_known)
        except SourceAbsent:
            return None
        except (CollectError, ValueError, RecursionError) as error:
            if certificate_fix(str(error)):
                raise  # it is there, and a person has to do something
            if not self._was_present:
                logger.debug("%s/health: %s", self._api.url, error)
                return None  # another program's port
            # It accepts connections and does not respond: that is not healthy.
            self._warnings.warn("health", "%s/health: %s", self._api.url, error)
            return Health(is_healthy=False, error=str(error))
        if health.is_healthy is None:
            self._warnings.warn(
                "token",
                "WildDuck at %s requires a token. Set wildduck_token of [discovery] to accessToken"
                " of its configuration ([api]).",
                self._api.url,
            )
        elif not health.is_healthy:
            self._warnings.warn("ill", "WildDuck reports that it is unhealthy: %s", health.error)
        else:
            self._warnings.resolve("WildDuck is healthy again.")
        return health

    def _read_metrics(self) -> Metrics | None:
        if not self._metrics.url:
            return None
        try:
            answer = self._metrics.request("/metrics")
            if answer.status != OK:
                return None  # another program's port
            body, unreadable = answer.body.decode("utf-8", "replace"), list[str]()
            readings = wildduck.parse_metrics(body, unreadable=unreadable)
            self._note_unreadable(unreadable)
            return readings
        except (CollectError, ValueError, RecursionError):
            return None  # disabled by default: no reason for a warning

    def _read_users(self, health: Health | None) -> tuple[WildDuckReadings, QuotaRotation | None]:
        """Return the totals and the next page of quotas, each where it can be read."""
        users = WildDuckReadings()
        try:
            if self._mongo is not None:
                users = self._mongo.count(self._default_quota)
                return users, self._rotation.page("mongodb", self._mongo.page)
            if health is not None and health.is_healthy:
                users = self._pages.count()
                if not self._pages.was_slow:
                    return users, self._rotation.page("api", self._pages.page)
        except CollectError as error:
            self._user_warnings.warn("users", "%s", error)
        return users, None

    def _default_quota(self) -> int | None:
        try:
            return wildduck.parse_default_quota(self._api.get("/settings"))
        except (CollectError, ValueError, RecursionError):
            return None  # no token, or a version without settings

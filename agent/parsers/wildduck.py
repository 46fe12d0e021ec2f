"""Parsers of WildDuck: its API's JSON, and its own metrics in Prometheus's format."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.parsers import prometheus
from agent.parsers.values import count, items, ms, table, text
from agent.samples import ConnectionCount, Quota, ServiceUp, WildDuckMetrics

SERVER = "WildDuck API"  # the Server header of its responses
INVALID_TOKEN = "InvalidToken"  # noqa: S105 (WildDuck's word for a wrong one)
DEFAULT_QUOTA = "const:max:storage"
MAX_SERVICES = 30
MAX_PROTOCOLS = 20
# Of a page, more than any request wants.
MAX_USERS = 1000
MAX_CURSOR_CHARS = 1000


class Metrics(WildDuckMetrics, frozen=True, kw_only=True):
    """Its own metrics, of all its processes together. A series exists only after its first event,
    so a missing one is 0."""

    version: str | None = None
    started_at_s: int | None = None


@dataclass(frozen=True)
class User:
    """One user. `allowed_bytes` 0: no limit."""

    username: str
    used_bytes: int
    allowed_bytes: int
    is_disabled: bool

    @property
    def used_ratio(self) -> float:
        """Used part of the limit, 0 without one."""
        return self.used_bytes / self.allowed_bytes if self.allowed_bytes else 0.0


@dataclass(frozen=True)
class Page:
    """One page of users. `next`: the cursor of the next, None on the last."""

    total: int | None
    users: list[User]
    next: str | None


@dataclass(frozen=True)
class Health:
    """Answer of /health. `is_healthy` None: unknown without a valid token."""

    is_healthy: bool | None
    version: str | None = None
    error: str | None = None


def parse_metrics(body: str, *, unreadable: list[str] | None = None) -> Metrics:
    """Return the readings of /metrics; those of lines that cannot be read are None, and the lines
    are added to `unreadable`. Raises ValueError for another program's."""
    all_series = prometheus.parse(body)
    if not any(series.name.startswith("wildduck_") for series in all_series):
        raise ValueError("no wildduck_ series in it")
    if unreadable is not None:
        unreadable += all_series.unreadable

    def is_known(name: str) -> bool:
        return name not in all_series.unknown

    def first(name: str) -> float | None:
        return next((series.value for series in all_series if series.name == name), None)

    logins: dict[str, float] = defaultdict(float)
    connections: dict[str, float] = defaultdict(float)
    services: dict[str, bool] = {}
    version = None
    for series in all_series:
        labels = series.labels
        match series.name:
            case "wildduck_auth_attempts_total":
                logins[labels.get("result", "")] += series.value
            case "wildduck_connections" if name := text(
                labels.get("service") or labels.get("protocol")
            ):
                connections[name] += series.value
            case "wildduck_service_up" if name := text(labels.get("service")):
                services[name] = series.value > 0
            case "wildduck_info":
                version = text(labels.get("version"), limit=40)
    results = {
        result: count(logins[result]) if is_known("wildduck_auth_attempts_total") else None
        for result in ("success", "fail", "ratelimited", "error")
    }
    return Metrics(
        version=version,
        started_at_s=count(first("process_start_time_seconds")),
        services=[
            ServiceUp(service=name, is_up=is_up)
            for name, is_up in list(services.items())[:MAX_SERVICES]
        ]
        if is_known("wildduck_service_up")
        else None,
        connections=[
            ConnectionCount(protocol=name, count=count(value) or 0)
            for name, value in list(connections.items())[:MAX_PROTOCOLS]
        ]
        if is_known("wildduck_connections")
        else None,
        auth_success_total=results["success"],
        auth_failure_total=results["fail"],
        auth_limited_total=results["ratelimited"],
        auth_error_total=results["error"],
        memory_rss_bytes=count(first("process_resident_memory_bytes")),
        event_loop_lag_p99_ms=ms(first("nodejs_eventloop_lag_p99_seconds")),
    )


def parse_health(status: int, body: bytes, *, is_known: bool) -> Health:
    """Return the health in a response. `is_known`: whether the program is known to be WildDuck;
    otherwise only unmistakable bodies count. Raises ValueError for another program's."""
    answer = _decode(body)
    if answer.get("code") == INVALID_TOKEN:
        return Health(None)
    version = text(answer.get("version"), limit=40)
    if answer.get("success") is True and (is_known or version):
        return Health(True, version)
    # Status 500 with the name of an unreachable service.
    if is_known and status >= 500 and ("error" in answer or "message" in answer):  # noqa: PLR2004
        return Health(False, version, text(answer.get("error") or answer.get("message"), limit=200))
    raise ValueError("not WildDuck's response")


def parse_page(body: bytes) -> Page:
    """Return a page of users. Raises ValueError when it is none."""
    answer = _decode(body)
    if answer.get("success") is not True or not isinstance(answer.get("results"), list):
        raise ValueError("no page of users")
    users = [user for user in map(_user, items(answer["results"])[:MAX_USERS]) if user]
    if answer["results"] and not users:
        raise ValueError("a page of something else than users")
    cursor = answer.get("nextCursor")
    good = isinstance(cursor, str) and 0 < len(cursor) <= MAX_CURSOR_CHARS
    return Page(count(answer.get("total")), users, cursor if good else None)


def parse_default_quota(body: bytes) -> int | None:
    """Return the quota of users without their own from the body of /settings."""
    for raw in items(_decode(body).get("settings")):
        if table(raw).get("key") == DEFAULT_QUOTA:
            return count(raw.get("value"))
    return None


def _user(raw: Any) -> User | None:
    answer = table(raw)
    quota = table(answer.get("quota"))
    name = text(answer.get("username"), limit=254)
    if name is None:
        return None
    return User(
        username=name,
        used_bytes=count(quota.get("used")) or 0,
        allowed_bytes=count(quota.get("allowed")) or 0,
        is_disabled=answer.get("disabled") is True or answer.get("suspended") is True,
    )


def fullest(users: list[User], *, limit: int) -> list[Quota]:
    """Return the users nearest to their limit, the fullest first. Pure."""
    limited = [user for user in users if user.allowed_bytes > 0]
    limited.sort(key=lambda user: (-user.used_ratio, user.username))
    return [quota(user) for user in limited[:limit]]


def quota(user: User) -> Quota:
    return Quota(
        username=user.username, used_bytes=user.used_bytes, allowed_bytes=user.allowed_bytes
    )


def _decode(body: bytes) -> dict[str, Any]:
    return table(msgspec.json.decode(body))

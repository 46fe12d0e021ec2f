"""Metrics of conditions: which figure over time shows what a condition judges. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from server.alerts.conditions.resources import ROOT
from server.metrics.catalogue import AGENT, MAIL_QUEUE, MONGODB, REDIS, SYSTEM, SampleKind

PERCENT, SECONDS, COUNT = "%", "s", ""
REFUSED = ("bounced", "deferred")
#: Subject of a block: its provider, whose mail is refused, and the name of that.
_BLOCK = re.compile(r"(.+?) (ip|provider|sender|domain)(?: (.*))?\Z")
#: Kind of a block → the column of its events that has its subject.
_COLUMNS = {"ip": "sending_ip", "sender": "auth_user", "domain": "from_domain"}


@dataclass(frozen=True)
class OfSamples:
    """Computed from gauges of a node's samples: from their means in a bucket, or their highest.
    Without a node, or with several series, the highest result of a bucket counts."""

    kind: SampleKind
    gauges: tuple[str, ...]
    compute: Callable[..., float | None]
    of_highest: bool = False


@dataclass(frozen=True)
class OfFileSystem:
    """Percent free of a node's file system, as its samples list it: levels have the root alone."""

    mount_point: str


@dataclass(frozen=True)
class OfContacts:
    """For how long a node is silent, by its system samples."""


@dataclass(frozen=True)
class OfShares:
    """How many recipients wait for a node."""


@dataclass(frozen=True)
class OfMail:
    """Computed from outbound outcomes by type; of one value where the dimension is not `all`."""

    compute: Callable[[Mapping[str, int]], float | None]
    dimension: str = "all"


@dataclass(frozen=True)
class OfDeliveries:
    """Mean time of deliveries."""


@dataclass(frozen=True)
class Metric:
    """A figure over time. `label`: what it is of, with the place of the subject's name. `value`: of
    the dimension."""

    label: str
    unit: str
    source: OfSamples | OfFileSystem | OfContacts | OfShares | OfMail | OfDeliveries
    value: str = ""
    #: Whether it is the figure that the rule's threshold is of.
    is_judged: bool = True


def _same(value: float) -> float:
    return value


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _bounced_percent(events: Mapping[str, int]) -> float | None:
    bounced = events.get("bounced", 0)
    return _share(bounced, bounced + events.get("delivered", 0))


def _refused_percent(events: Mapping[str, int]) -> float | None:
    refused = sum(events.get(name, 0) for name in REFUSED)
    return _share(refused, refused + events.get("delivered", 0))


def _attempts(events: Mapping[str, int]) -> float:
    return float(sum(events.get(name, 0) for name in ("delivered", *REFUSED)))


_FREE = OfSamples(SYSTEM, ("disk_used_percent",), lambda used: 100 - used, True)
#: Condition → its metric. Others have none: they judge a state, or what no level holds.
METRICS: dict[str, Metric] = {
    "node_silent": Metric("Silence of {}", SECONDS, OfContacts()),
    "clock_off": Metric(
        "Clock of {}, off by", SECONDS,
        OfSamples(AGENT, ("clock_skew_ms",), lambda skew: abs(skew) / 1_000),
    ),
    "spool_filling": Metric(
        "Spool of {}, used", PERCENT, OfSamples(AGENT, ("spool_bytes", "spool_limit_bytes"), _share)
    ),
    "cpu_high": Metric("Processor of {}", PERCENT, OfSamples(SYSTEM, ("cpu_percent",), _same)),
    "memory_high": Metric(
        "Memory of {}, used", PERCENT, OfSamples(SYSTEM, ("ram_used_percent",), _same)
    ),
    "disk_low": Metric("Free on {}", PERCENT, _FREE),
    "disk_full_soon": Metric("Free on {}", PERCENT, _FREE, is_judged=False),
    "mongodb_lag": Metric(
        "Lag of the slowest secondary of MongoDB", SECONDS,
        OfSamples(MONGODB, ("replication_lag_s",), _same),
    ),
    "mongodb_oplog_short": Metric(
        "Oplog of {}", SECONDS, OfSamples(MONGODB, ("oplog_window_s",), _same)
    ),
    "redis_memory": Metric(
        "Redis on {}, of its maxmemory", PERCENT,
        OfSamples(REDIS, ("used_memory_bytes", "maxmemory_bytes"), _share),
    ),
    "oldest_waiting": Metric(
        "Oldest waiting mail", SECONDS, OfSamples(MAIL_QUEUE, ("oldest_age_s",), _same, True)
    ),
    "queue_long": Metric("Recipients that wait for {}", COUNT, OfShares()),
    "bounce_share": Metric("Bounced, of what ended", PERCENT, OfMail(_bounced_percent)),
    "nothing_delivered": Metric(
        "Delivered", COUNT, OfMail(lambda events: float(events.get("delivered", 0)))
    ),
    "delivery_slow": Metric("Mean time of a delivery", SECONDS, OfDeliveries()),
    "zone_silent": Metric(
        "Attempts in zone {}", COUNT, OfMail(_attempts, "zone"), is_judged=False
    ),
    "destination_failing": Metric(
        "Refused by {}", PERCENT, OfMail(_refused_percent, "to_domain")
    ),
    "provider_blocking": Metric("Refused by {}", PERCENT, OfMail(_refused_percent, "provider")),
    "sender_refused": Metric("Refused by {}", PERCENT, OfMail(_refused_percent, "provider")),
}  # fmt: skip


def find_metric(condition: str, subject: str) -> Metric | None:
    """Return what shows a condition's subject over time, None where nothing does."""
    metric = METRICS.get(condition)
    if metric is None:
        return None
    if metric.source is _FREE and (mount_point := f"/{subject.partition(':/')[2]}") != ROOT:
        metric = replace(metric, source=OfFileSystem(mount_point))
    if condition in BLOCKS:
        provider, kind, name = split_block(subject)
        if kind == "ip":
            label, value = f"{provider} of {name}", f"{provider} {name}"
            source = OfMail(_refused_percent, "provider_ip")
            return replace(metric, label=f"Refused by {label}", source=source, value=value)
        subject = provider
    return replace(metric, label=metric.label.replace("{}", subject), value=subject)


BLOCKS = ("provider_blocking", "sender_refused")


def split_block(subject: str) -> tuple[str, str, str]:
    """Return the provider of a block's subject, whose mail is refused, and the name of that."""
    match = _BLOCK.match(subject)
    return (match[1], match[2], match[3] or "") if match else (subject, "provider", "")


def find_events(
    condition: str, subject: str, node: str, evidence: Mapping[str, object]
) -> dict[str, str]:
    """Return the values by which the outbound events behind an alert are found, none where no event
    is behind it."""
    refused = "bounced" if _is_mostly_bounced(evidence) else "deferred"
    filters = {
        "bounce_share": {"event_type": "bounced"},
        "nothing_delivered": {"event_type": "deferred"},
        "delivery_slow": {"event_type": "delivered"},
        "queue_long": {"event_type": "deferred", "mta_node": node},
        "oldest_waiting": {"event_type": "deferred"},
        "zone_silent": {"zone": subject},
        "account_compromised": {"account": subject},
        "destination_failing": {"event_type": refused, "to_domain": subject},
    }
    if condition in BLOCKS:
        return _find_refused(subject, str(evidence.get("bounce_class") or ""))
    return filters.get(condition, {})


def _find_refused(subject: str, bounce_class: str) -> dict[str, str]:
    provider, kind, name = split_block(subject)
    column = _COLUMNS.get(kind, "")
    if kind == "sender" and name.startswith("@"):
        column, name = "from_domain", name[1:]  # nobody logged in
    values = {"provider": provider, "bounce_class": bounce_class, column: name}
    return {filter_name: value for filter_name, value in values.items() if filter_name and value}


def _is_mostly_bounced(evidence: Mapping[str, object]) -> bool:
    bounced, deferred = evidence.get("bounced"), evidence.get("deferred")
    return isinstance(bounced, int) and isinstance(deferred, int) and bounced > deferred

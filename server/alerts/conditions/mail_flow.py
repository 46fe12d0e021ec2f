"""Conditions of mail on its way out: deliveries, bounces, their times. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from server.alerts.conditions.blocked import explain_mail
from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import HOUR, MINUTE, Parameter
from server.alerts.snapshot import MailMinute, Snapshot, add_minutes
from server.formats import duration, milliseconds, percent, thousands

CLUSTER = Subject("cluster", "outbound mail")
_WINDOW = Parameter("window", "s", 5 * MINUTE, "Counted over so long.", MINUTE, HOUR)


def read_deliveries(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 where attempts were made and none succeeded."""
    total = _sum(snapshot, values)
    if total is None:
        yield Reading(CLUSTER, None)
        return
    value, tries = measure_deliveries(total)
    text = f"Nothing was delivered in {duration(values['window'])}, of {thousands(tries)} attempts"
    evidence = {"delivered": total.delivered, "attempts": tries} | explain_mail(
        snapshot, _in_window(snapshot, values), measure_deliveries, lambda m: m.bounced + m.deferred
    )
    yield Reading(CLUSTER, value, text, evidence, tries)


def read_bounces(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the percent of outcomes that are bounces."""
    total = _sum(snapshot, values)
    if total is None:
        yield Reading(CLUSTER, None)
        return
    share, outcomes = measure_bounces(total)
    window = duration(values["window"])
    text = f"{percent(total.bounced, outcomes)} of mail bounced in the last {window}"
    evidence = {"bounced": total.bounced, "outcomes": outcomes} | explain_mail(
        snapshot, _in_window(snapshot, values), measure_bounces, lambda m: m.bounced
    )
    yield Reading(CLUSTER, share, text, evidence, outcomes)


def read_delivery_times(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the mean time of deliveries, in seconds."""
    total = _sum(snapshot, values)
    if total is None:
        yield Reading(CLUSTER, None)
        return
    mean_s, count = measure_delivery_times(total)
    text = f"A delivery takes {milliseconds(1_000 * mean_s)} on average"
    evidence = {"mean_ms": 1_000 * mean_s, "deliveries": count}
    yield Reading(CLUSTER, mean_s, text, evidence, count)


def measure_deliveries(total: MailMinute) -> tuple[float, int]:
    """Return 1 where attempts were made and none succeeded, and the number of attempts."""
    tries = total.delivered + total.bounced + total.deferred
    return float(not total.delivered and tries > 0), tries


def measure_bounces(total: MailMinute) -> tuple[float, int]:
    """Return the percent of outcomes that are bounces, and the number of outcomes."""
    outcomes = total.delivered + total.bounced
    return (100 * total.bounced / outcomes if outcomes else 0.0), outcomes


def measure_delivery_times(total: MailMinute) -> tuple[float, int]:
    """Return the mean time of deliveries in seconds, and their number."""
    count = total.delivery_count
    return (total.delivery_ms_sum / 1_000 / count if count else 0.0), count


#: Condition → its value and count, of the sum of a window.
MEASURES = {
    "nothing_delivered": measure_deliveries,
    "bounce_share": measure_bounces,
    "delivery_slow": measure_delivery_times,
}


def _sum(snapshot: Snapshot, values: Values) -> MailMinute | None:
    """Add up the minutes of the window; None while what was accepted is not stored."""
    if not snapshot.is_known("mail", ""):
        return None
    return add_minutes(snapshot.now, _in_window(snapshot, values))


def _in_window(snapshot: Snapshot, values: Values) -> list[MailMinute]:
    since = snapshot.now - timedelta(seconds=values["window"])
    return [minute for minute in snapshot.minutes if minute.at > since]


NO_DELIVERY = Condition(
    "nothing_delivered", "cluster", "mail", "Mail is attempted and none is delivered.",
    read_deliveries, parameters=(_WINDOW,), min_count=10,
)  # fmt: skip
BOUNCES = Condition(
    "bounce_share", "cluster", "mail", "Too much of the mail that ends bounces.", read_bounces,
    Parameter("threshold", "%", 5, "A larger share bounces.", maximum=100), "above",
    parameters=(_WINDOW,), min_count=50,
)  # fmt: skip
DELIVERY_TIME = Condition(
    "delivery_slow", "cluster", "mail", "Deliveries take long on average.", read_delivery_times,
    Parameter("threshold", "s", 30, "Takes longer."), "above",
    parameters=(_WINDOW,), min_count=10,
)  # fmt: skip
CONDITIONS = (NO_DELIVERY, BOUNCES, DELIVERY_TIME)
RULES = (
    alarm("nothing_delivered", NO_DELIVERY, window="15 min", for_="1 min"),
    warn(
        "bounce_share", BOUNCES, threshold="5 %", clear="4 %", window="10 min", for_="30 min",
        keep_firing_for="10 min",
    ),
    warn(
        "bounce_share_high", BOUNCES, threshold="10 %", clear="8 %", window="10 min",
        for_="15 min", keep_firing_for="10 min",
    ),
    alarm(
        "bounce_share_very_high", BOUNCES, threshold="25 %", clear="20 %", window="5 min",
        for_="5 min", keep_firing_for="5 min",
    ),
    warn(
        "delivery_slow", DELIVERY_TIME, threshold="30 s", clear="25 s", for_="10 min",
        keep_firing_for="5 min",
    ),
)  # fmt: skip

"""Probe and metrics of the evaluator, and of the alerts themselves."""

from collections.abc import Iterator

from django.db import DatabaseError, connection, transaction
from django.db.models import Count
from django.utils import timezone

from server.alerts.models import Alert, Evaluation, State
from server.alerts.present.standing import MAX_ROUND_AGE
from server.alerts.rules import active_rules
from server.observability.health import TIMEOUT_S, ProbeResult
from server.observability.metrics import Metric


def alerts() -> ProbeResult | None:
    """Look for the last round of the evaluator; None where none ever ran, or nobody can tell."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S:.0f}s'")
            last = Evaluation.objects.first()
    except DatabaseError:
        connection.close()  # the probe of the database says so
        return None
    if last is None:
        return None
    age_s = max(0.0, (timezone.now() - last.started_at).total_seconds())
    figures = {"last_round_at": last.started_at, "duration_ms": round(last.duration_ms, 1)}
    if age_s > MAX_ROUND_AGE.total_seconds():
        text = f"No rule has been evaluated for {age_s:.0f} s: nobody is alerted of anything."
        return ProbeResult("alerts", ok=False, text=text, needed=False, figures=figures)
    if last.failures:
        text = f"These rules cannot be evaluated: {', '.join(sorted(last.failures))}."
        return ProbeResult("alerts", ok=False, text=text, needed=False, figures=figures)
    text = f"The rules were evaluated {age_s:.0f} s ago."
    return ProbeResult("alerts", ok=True, text=text, needed=False, figures=figures)


def rounds() -> Iterator[Metric]:
    """Yield the rounds and the length of the last one. Raises django.db.Error."""
    last = Evaluation.objects.first()
    if last is None:
        return
    age_s = max(0.0, (timezone.now() - last.started_at).total_seconds())
    yield Metric("mallard_alert_rounds_total", "Rounds over all rules.", last.rounds_count,
                 kind="counter")  # fmt: skip
    yield Metric("mallard_alert_round_seconds", "Length of the last round.",
                 last.duration_ms / 1_000)  # fmt: skip
    yield Metric("mallard_alert_round_age_seconds", "Since the last round began.", age_s)
    yield Metric("mallard_alert_failing_rules", "Rules that cannot be evaluated.",
                 len(last.failures))  # fmt: skip


def open_alerts() -> Iterator[Metric]:
    """Count the open alerts by rule and state; of each rule those that fire, 0 too."""
    rows = Alert.objects.filter(ended_at=None).values_list("severity", "rule", "state")
    counts = {tuple(row): count for *row, count in rows.annotate(count=Count("pk")).order_by()}
    for rule in active_rules().values():
        counts.setdefault((str(rule.severity), rule.name, str(State.FIRING)), 0)
    for (severity, rule_name, state), count in sorted(counts.items()):
        labels = {"severity": severity, "rule": rule_name, "state": state}
        yield Metric("mallard_alerts", "Open alerts.", count, labels=labels)

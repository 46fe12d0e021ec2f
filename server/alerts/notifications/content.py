"""Content of a notification: the message of a row of the outbox, or of several as a digest."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core import signing
from django.urls import reverse

from server.alerts.models import OutboxNotification, Severity
from server.alerts.notifications.messages import MAX_LISTED, Message, clean, read_evidence

Kind = OutboxNotification.Kind
#: What the token of a signed link is for; no other token is taken for one.
ACKNOWLEDGE_SALT = "mallard.alerts.acknowledge"
#: Links of notifications work as long.
ACKNOWLEDGE_MAX_AGE_S = 7 * 86_400
TEST_TEXT = "This is a test of this channel. Nothing is wrong."


def build_message(leader: OutboxNotification, others: Sequence[OutboxNotification] = ()) -> Message:
    """Return what a notification says; with `others`, what they all say as one."""
    if leader.transition is None:
        return Message(
            key=leader.idempotency_key,
            kind=leader.kind,
            severity=Severity.WARNING,
            rule="test",
            alert="test",
            subject=leader.channel,
            node="",
            text=TEST_TEXT,
            at=leader.created_at,
            started_at=leader.created_at,
        )
    flip, alert = leader.transition, leader.transition.alert
    rows = [leader, *others]
    severities = {row.transition.alert.severity for row in rows if row.transition}
    listed = [_list(row) for row in rows[:MAX_LISTED]] if others else []
    return Message(
        key=leader.idempotency_key,
        kind=leader.kind,
        severity=Severity.CRITICAL if Severity.CRITICAL in severities else Severity.WARNING,
        rule=alert.rule,
        alert=f"alert-{alert.pk}",
        subject=clean(alert.subject),
        node=clean(alert.node, 64),
        text=clean(flip.text or alert.text),
        at=flip.at,
        started_at=alert.fired_at or alert.started_at,
        url=make_url(leader.incident_id),
        acknowledge_url="" if leader.kind == Kind.RESOLVED else make_link(leader),
        incident=leader.incident_id,
        value=flip.value,
        evidence=read_evidence(flip.evidence),
        listed=tuple(listed),
        count=len(rows),
    )


def make_url(incident: int | None) -> str:
    """Return the address of an incident's page; empty without PUBLIC_URL."""
    return _absolute("incident-page", incident) if incident else ""


def make_link(notification: OutboxNotification) -> str:
    """Return the address at which whoever has it can acknowledge the incident, without a login."""
    if not notification.incident_id:
        return ""
    content = {"incident": notification.incident_id, "channel": notification.channel}
    token = _DecisionSigner(notification.created_at).sign_object(content)
    return _absolute("acknowledge-by-link", token)


class _DecisionSigner(signing.TimestampSigner):
    """Signs with the time of the decision: each attempt of a notification has the same link."""

    def __init__(self, decided_at: datetime) -> None:
        super().__init__(salt=ACKNOWLEDGE_SALT)
        self._decided_at = decided_at

    def timestamp(self) -> str:
        return signing.b62_encode(int(self._decided_at.timestamp()))


def read_link(token: str) -> tuple[int, str]:
    """Return the incident and the channel of a signed link.

    Raises django.core.signing.BadSignature; SignatureExpired is one.
    """
    content = signing.loads(token, salt=ACKNOWLEDGE_SALT, max_age=ACKNOWLEDGE_MAX_AGE_S)
    return int(content["incident"]), str(content["channel"])


def _absolute(name: str, argument: object) -> str:
    if not settings.PUBLIC_URL:
        return ""
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse(name, args=[argument])}"


def _list(row: OutboxNotification) -> str:
    flip = row.transition
    mark = "RESOLVED" if row.kind == Kind.RESOLVED else flip.alert.severity if flip else ""
    return f"{mark}: {clean(flip.text or flip.alert.text) if flip else ''}"

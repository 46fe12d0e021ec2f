"""The bell in the frame of every page: open incidents by severity. Pure.

Staff see what waits for them, readers all that is open.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from server.alerts.blocks.wording import one_line
from server.alerts.evaluator.causes import is_active
from server.alerts.models import Incident, Severity
from server.alerts.present.standing import Standing, describe_attention
from server.formats import duration, thousands

#: Open incidents of which a frame carries the sentence, for notifications of browsers.
MAX_ALARMS, MAX_ALARM_CHARS = 5, 200
CRITICAL, WARNING = str(Severity.CRITICAL), str(Severity.WARNING)


@dataclass(frozen=True)
class Bell:
    """What the bell shows. `quiet`: incidents that need nobody now; `label`: for its title and for
    screen readers; `is_old`: no round came lately, so that all this is of a while ago."""

    critical: int
    warning: int
    quiet: int
    label: str
    is_old: bool = False


@dataclass(frozen=True)
class OpenIncidents:
    """Numbers of open incidents by severity: those that wait for somebody, and those handled.

    `alarms`: id and sentence of the newest critical ones that wait. `old`: the age of the last
    round in words, where it is too old.
    """

    waiting: Mapping[str, int]
    handled: Mapping[str, int]
    alarms: tuple[tuple[int, str], ...] = ()
    old: str = ""

    def bell(self, *, is_staff: bool) -> Bell:
        quiet = sum(self.handled.values())
        shown = dict(self.waiting)
        if not is_staff:
            shown = {severity: count + self.handled[severity] for severity, count in shown.items()}
            quiet = 0
        critical, warning = shown[CRITICAL], shown[WARNING]
        label = _describe(critical, warning, quiet, "wait for somebody" if is_staff else "open")
        if self.old:
            label += f", as judged {self.old} ago"
        return Bell(critical, warning, quiet, f"Incidents: {label}", bool(self.old))

    def as_json(self) -> dict[str, Any]:
        return {
            "bells": {
                "staff": asdict(self.bell(is_staff=True)),
                "reader": asdict(self.bell(is_staff=False)),
            },
            "alarms": [{"id": number, "text": text} for number, text in self.alarms],
        }


def _describe(critical: int, warning: int, quiet: int, verb: str) -> str:
    counts = [f"{thousands(critical)} critical"] if critical else []
    if warning:
        counts.append(f"{thousands(warning)} {'warning' if warning == 1 else 'warnings'}")
    handled = f"{thousands(quiet)} handled" if quiet else ""
    if not counts:
        return handled or "none open"
    if critical + warning == 1:
        verb = verb.replace("wait ", "waits ")
    return ", ".join(filter(None, (f"{' and '.join(counts)} {verb}", handled)))


def count_incidents(standing: Standing, now: datetime) -> OpenIncidents:
    """Count the incidents of the alerts that have fired. One waits for somebody while nobody looks
    after it and one of its alerts is not suppressed."""
    incidents: dict[int, Incident] = {}
    loud: set[int] = set()
    for alert in filter(is_active, standing.alerts):
        if alert.incident is None or alert.incident_id is None:
            continue
        incidents[alert.incident_id] = alert.incident
        if not alert.suppression:
            loud.add(alert.incident_id)
    waiting, handled = {CRITICAL: 0, WARNING: 0}, {CRITICAL: 0, WARNING: 0}
    alarms = []
    for number, incident in sorted(incidents.items(), reverse=True):
        if number not in loud or describe_attention(incident, now):
            handled[incident.severity] += 1
            continue
        waiting[incident.severity] += 1
        if incident.severity == Severity.CRITICAL:
            alarms.append((number, one_line(incident.text[:MAX_ALARM_CHARS])))
    old = ""
    if standing.evaluated_at and standing.is_old(now):
        old = duration((now - standing.evaluated_at).total_seconds())
    return OpenIncidents(waiting, handled, tuple(alarms[:MAX_ALARMS]), old)

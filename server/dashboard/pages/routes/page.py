"""Fields and sentences of the pages of routes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from server.alerts.models import Suppression
from server.alerts.notifications.forms import MAX_STEPS
from server.alerts.notifications.routes.preview import Wake
from server.dashboard.shell.lists.tables import Cell, Column, Table
from server.formats import duration

#: Steps that the form offers beside those there are.
SPARE_STEPS = 2
#: The steps of a new route.
DEFAULT_STEPS: tuple[Mapping[str, Any], ...] = ({"after_min": 0, "channels": []},)
MAX_FIELD_CHARS = 400
COLUMNS = (Column("When"), Column("Channel"), Column("By the route"), Column("Note"))
WHY_NOBODY = {
    Suppression.MUTED: "its rule is muted",
    Suppression.MAINTENANCE: "its node is in maintenance",
    Suppression.SILENCED: "a silence hides it",
}


@dataclass(frozen=True)
class StepField:
    """A step in the form. `channels`: each name, and whether the step notifies it."""

    number: int
    after_min: str
    channels: tuple[tuple[str, bool], ...]


def build_steps(steps: Sequence[Any], channels: Sequence[str]) -> list[StepField]:
    """Return the steps of the form: those there are, and a few that are empty. A channel that is
    gone stays listed while a step names it."""
    fields = []
    count = min(MAX_STEPS, len(steps) + SPARE_STEPS)
    for place in range(count):
        step = steps[place] if place < len(steps) else {"after_min": "", "channels": []}
        named = [str(name) for name in step["channels"]]
        every = dict.fromkeys([*channels, *named])
        fields.append(
            StepField(place, str(step["after_min"]), tuple((n, n in named) for n in every))
        )
    return fields


def read_form(posted: QueryDict) -> dict[str, Any]:
    """Return the fields of a route that were typed. Steps without channels and time are left out;
    a time that is no number stays as it is, for the check to name."""
    names = ("name", "position", "node", "subject", "repeat_min", "quiet_from", "quiet_to",
             "time_zone")  # fmt: skip
    fields: dict[str, Any] = {name: posted.get(name, "") for name in names}
    fields |= {name: posted.getlist(name) for name in ("rules", "severities")}
    steps = []
    for place in range(MAX_STEPS):
        after_min = posted.get(f"after_{place}", "").strip()
        named = posted.getlist(f"channels_{place}")
        if named or (after_min and place == 0):
            is_number = after_min.isascii() and after_min.isdigit()
            steps.append({"after_min": int(after_min[:9]) if is_number else after_min,
                          "channels": named})  # fmt: skip
    return fields | {"steps": steps}


def read_alert(query: Mapping[str, str]) -> dict[str, str]:
    """Return the alert of which the preview is, bounded."""
    return {name: query.get(name, "")[:MAX_FIELD_CHARS] for name in ("rule", "node", "subject")}


def describe_wakes(
    wakes: Sequence[Wake], suppression: Suppression, *, is_chosen: bool
) -> tuple[str, str]:
    """Return level and sentence of who would be woken by an alert now."""
    if not is_chosen:
        return "none", "Choose a rule, or one of the alerts below."
    if suppression:
        return "warning", f"Nobody: {WHY_NOBODY.get(suppression, suppression.label)}."
    reached = [wake for wake in wakes if wake.is_enabled]
    if not wakes:
        return "warning", "Nobody: no route matches it."
    if not reached:
        return "warning", "Nobody: each channel is switched off, or gone."
    now = [wake.channel for wake in reached if not wake.after and wake.held_until is None]
    names = ", ".join(dict.fromkeys(now))
    return "ok", f"At once: {names}." if names else "Nobody at once: it waits."


def build_wakes(wakes: Sequence[Wake]) -> Table:
    rows = [
        [
            Cell(_describe_time(wake)),
            Cell(wake.channel),
            Cell(wake.route),
            Cell("" if wake.is_enabled else "is switched off, or gone"),
        ]
        for wake in wakes
    ]
    return Table("wakes", "Who would be notified", COLUMNS, rows)


def _describe_time(wake: Wake) -> str:
    if wake.held_until is not None:
        return f"when the quiet hours end, {wake.held_until:%H:%M %Z}"
    after = duration(wake.after.total_seconds())
    when = f"after {after}, unless acknowledged" if wake.after else "at once"
    if wake.repeat_every > timedelta():
        when += f", then every {duration(wake.repeat_every.total_seconds())}"
    return when

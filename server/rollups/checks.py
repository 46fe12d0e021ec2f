"""Checks of the settings of retention, run by `manage.py check`."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from server.metrics import catalogue
from server.rollups.continuous_aggregates import REFRESH_WINDOW
from server.rollups.levels import LEVELS, ONE_MINUTE
from server.rollups.samples.levels import levels_of


@register()
def levels_are_kept_long_enough(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Compare how long each level is stored."""
    days: dict[str, int] = settings.RETENTION_DAYS
    problems: list[CheckMessage] = []
    shortest = REFRESH_WINDOW + timedelta(days=ONE_MINUTE.chunk_days)
    if timedelta(days=days[ONE_MINUTE.table]) < shortest:
        message = f"The 1-minute level is kept for {days[ONE_MINUTE.table]} days only."
        hint = (
            f"EMAIL_STATS_1M_RETENTION_DAYS of {shortest.days} at least: the wider levels are made"
            " anew from it for so long, and would lose what it has lost."
        )
        problems.append(Error(message, hint=hint, id="rollups.E001"))
    settings_of = {level.table: f"{level.table.upper()}_RETENTION_DAYS" for level in LEVELS}
    return problems + _wider_ones_kept_shorter(settings_of, "rollups.E002")


@register()
def samples_are_kept_long_enough(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Compare how long samples, readings of the mail queue and their levels are stored."""
    days: dict[str, int] = settings.RETENTION_DAYS
    problems: list[CheckMessage] = []
    shortest = (REFRESH_WINDOW + timedelta(days=1)).days
    for table, setting in (
        (catalogue.SYSTEM.table, "METRICS_RETENTION_DAYS"),
        (catalogue.MAIL_QUEUE.table, "MAIL_QUEUE_RETENTION_DAYS"),
    ):
        if days[table] < shortest:
            message = f"{table} is kept for {days[table]} days only."
            hint = (
                f"{setting} of {shortest} at least: its levels are made anew from it for so long."
            )
            problems.append(Error(message, hint=hint, id="rollups.E003"))
    settings_of = {
        level.table: f"METRICS_{level.of.name.upper()}_RETENTION_DAYS"
        for level in levels_of(catalogue.SYSTEM)
    }
    return problems + _wider_ones_kept_shorter(settings_of, "rollups.E004")


def _wider_ones_kept_shorter(settings_of: dict[str, str], check_id: str) -> list[CheckMessage]:
    """Compare the tables of levels, narrowest first, each with its setting."""
    days: dict[str, int] = settings.RETENTION_DAYS
    return [
        Error(
            f"{wide} is kept shorter than {narrow}, which is larger.",
            hint=f"{settings_of[wide]} of {days[narrow]} at least.",
            id=check_id,
        )
        for narrow, wide in pairwise(settings_of)
        if days[wide] < days[narrow]
    ]

"""Checks of the settings of retention, run by `manage.py check`."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from server.metrics import catalogue
from server.rollups.levels import LEVELS, ONE_MINUTE
from server.rollups.mail.sql import REFRESH_WINDOW
from server.rollups.samples import sql as sample_sql
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
    for narrow, wide in pairwise(LEVELS):
        if days[wide.table] < days[narrow.table]:
            message = f"{wide.table} is kept shorter than {narrow.table}, which is larger."
            hint = f"{wide.table.upper()}_RETENTION_DAYS of {days[narrow.table]} at least."
            problems.append(Error(message, hint=hint, id="rollups.E002"))
    return problems


@register()
def samples_are_kept_long_enough(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Compare how long samples, readings of the mail queue and their levels are stored."""
    days: dict[str, int] = settings.RETENTION_DAYS
    problems: list[CheckMessage] = []
    shortest = (sample_sql.REFRESH_WINDOW + timedelta(days=1)).days
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
    for narrow, wide in pairwise(levels_of(catalogue.SYSTEM)):
        if days[wide.table] < days[narrow.table]:
            message = f"{wide.table} is kept shorter than {narrow.table}, which is larger."
            name = f"METRICS_{wide.of.name.upper()}_RETENTION_DAYS"
            hint = f"{name} of {days[narrow.table]} at least."
            problems.append(Error(message, hint=hint, id="rollups.E004"))
    return problems

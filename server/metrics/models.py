"""Samples, one hypertable for each kind of the catalogue.

django-timescaledb makes the hypertables and drops the primary keys, so `id` is no key here: each
table's unique constraint is. Never fetch by id. Null is unknown; what is a list in the payload is
JSON here, shown and never searched.
"""

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from server.metrics import catalogue
from server.metrics.measures import Column, Count
from server.nodes.models import Node

#: Type of a reading → its field; all others are stored as JSON.
_FIELDS: dict[Any, type[models.Field[Any, Any]]] = {
    Count: models.IntegerField,
    int: models.BigIntegerField,
    float: models.FloatField,
    bool: models.BooleanField,
    datetime: models.DateTimeField,
    str: models.TextField,
}


class SampleBase(models.Model):
    """Whose sample it is, and when the node took it: a field that each table adds for itself."""

    time: datetime
    node = models.ForeignKey(Node, on_delete=models.CASCADE, db_index=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.node_id} {self.time:%F %T}"


def sample_model(
    name: str,
    kind: catalogue.SampleKind,
    *,
    module: str,
    chunk_interval: str = "7 days",
    is_once_per_dimension: bool = True,
    help_texts: dict[str, str] | None = None,
) -> type[SampleBase]:
    """Return the Django model of one kind's table, for the app of `module`."""
    dimensions = kind.dimensions if is_once_per_dimension else ()
    constraint = models.UniqueConstraint(
        fields=["node", "time", *dimensions], name=f"{kind.table}_once"
    )
    meta = type("Meta", (), {"db_table": kind.table, "constraints": [constraint]})
    fields = {
        column.name: _field(column, (help_texts or {}).get(column.name, ""))
        for column in kind.columns()
    }
    return type(
        name,
        (SampleBase,),
        {
            "__module__": module,
            "__doc__": kind.payload.__doc__,
            "Meta": meta,
            "time": TimescaleDateTimeField(interval=chunk_interval),
            **fields,
        },
    )


def _field(column: Column, help_text: str) -> models.Field[Any, Any]:
    if column.type == list[float]:
        return ArrayField(models.FloatField())
    field = _FIELDS.get(column.type, models.JSONField)
    return field(null=column.is_nullable, help_text=help_text)


SystemSample = sample_model("SystemSample", catalogue.SYSTEM, module=__name__)
ProcessSample = sample_model(
    "ProcessSample",
    catalogue.PROCESS,
    module=__name__,
    help_texts={"status": "running, stopped or not_found.", "cpu_percent": "Of one core."},
)
ServiceSample = sample_model("ServiceSample", catalogue.SERVICE, module=__name__)
ZoneMtaSample = sample_model("ZoneMtaSample", catalogue.ZONEMTA, module=__name__)
HarakaSample = sample_model("HarakaSample", catalogue.HARAKA, module=__name__)
WildDuckSample = sample_model("WildDuckSample", catalogue.WILDDUCK, module=__name__)
MongoDbSample = sample_model("MongoDbSample", catalogue.MONGODB, module=__name__)
RedisSample = sample_model("RedisSample", catalogue.REDIS, module=__name__)
RspamdSample = sample_model("RspamdSample", catalogue.RSPAMD, module=__name__)
AgentSample = sample_model("AgentSample", catalogue.AGENT, module=__name__)

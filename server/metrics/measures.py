"""Scalar types of sample payloads, and the marks that say how a reading adds up over time.

A gauge stands for itself: a level stores its sum, count and maximum, so that mean and maximum are
right over any time; of yes and no, the mean is the share of the time. A counter only grows until
its program restarts: a level stores the last value of a bucket, and its growth is computed between
buckets. An untracked number is in no level, because neither its mean nor its growth means anything.
Marks are annotations since published field names do not always show it. Pure.
"""

import enum
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec


class Measure(enum.Enum):
    """How the levels treat a number."""

    GAUGE = "gauge"
    COUNTER = "counter"
    UNTRACKED = "untracked"


T = TypeVar("T")
Gauge = Annotated[T, Measure.GAUGE]
Counter = Annotated[T, Measure.COUNTER]
Untracked = Annotated[T, Measure.UNTRACKED]

AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
#: Of rates and totals: sums of a level overflow neither a float nor a bigint, and JavaScript reads
#: every number exactly.
MAX_TOTAL = 2**53
Rate = Annotated[float, msgspec.Meta(ge=0, le=MAX_TOTAL)]
MAX_COUNT = 2**31 - 1
#: Differences, which may be negative: of clocks, of positions in a log.
Shift = Annotated[float, msgspec.Meta(ge=-MAX_TOTAL, le=MAX_TOTAL)]
Offset = Annotated[int, msgspec.Meta(ge=-MAX_TOTAL, le=MAX_TOTAL)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
Total = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOTAL)]
#: Pattern of a text without line breaks, which no path of a page can hold; other controls are
#: cleaned on arrival.
ONE_LINE = r"^[^\x00-\x1f\x7f]*(?!\n)$"
NodeName = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=ONE_LINE)]
Name = Annotated[str, msgspec.Meta(max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=4000)]


@dataclass(frozen=True)
class Column:
    """One reading as a column. `type`: of its values; `Count` for small integers. `measure`: None
    where it is no number."""

    name: str
    type: Any
    is_nullable: bool
    measure: Measure | None


def columns_of(struct: type[msgspec.Struct]) -> Iterator[Column]:
    """Yield the columns of a struct's fields, in order. What may be left out may be null."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        type_, marks, is_optional = _unwrap(hints[field.name])
        measure = next((mark for mark in marks if isinstance(mark, Measure)), None)
        yield Column(
            field.name, _column_type(type_, marks), is_optional or not field.required, measure
        )


def _unwrap(hint: Any) -> tuple[Any, list[Any], bool]:
    """Return the type inside Annotated and Optional, all annotations, and whether None is valid."""
    marks: list[Any] = []
    is_optional = False
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            marks += more
        elif get_origin(hint) in (Union, types.UnionType):
            hint, is_optional = next(a for a in get_args(hint) if a is not type(None)), True
        else:
            return hint, marks, is_optional


def _column_type(type_: Any, marks: list[Any]) -> Any:
    if any(isinstance(mark, msgspec.Meta) and mark.le == MAX_COUNT for mark in marks):
        return Count
    return str if get_origin(type_) is Literal else type_

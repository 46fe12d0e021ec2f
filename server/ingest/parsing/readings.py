"""Samples of which some readings cannot be read: those become unknown, the others stay. Pure.

A wrong number, text or time of one program must not cost the node its other readings.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from server.events.mapping import Context
from server.metrics.wire import Sample

Path = tuple[str | int, ...]
Decode = Callable[[bytes | msgspec.Raw], Sample]
#: Readings of one sample that may be unreadable; past it the sample is refused.
MAX_UNREADABLE = 32
#: The same of one body: each costs another decoding.
MAX_UNREADABLE_PER_BODY = 100
#: No program of a mail server has a time before this one; pages subtract times from the present.
MIN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
#: How far after the sample a time in it may be: some are of other machines' clocks.
MAX_AHEAD = timedelta(days=1)
#: What an error ends with: this, the path, and another `.
_PATH = " - at `$"
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_ANY_MEMBER = "..."


def read_sample(raw: bytes | msgspec.Raw, decode: Decode) -> tuple[Sample, list[str]]:
    """Return a sample, and the reasons why readings of it are unknown.

    Raises msgspec.DecodeError when a reading that is required cannot be read.
    """
    try:
        return decode_strictly(raw, decode), []
    except msgspec.ValidationError as error:
        return _read_without(raw, decode, error)


def _read_without(
    raw: bytes | msgspec.Raw, decode: Decode, first: msgspec.ValidationError
) -> tuple[Sample, list[str]]:
    value, error = msgspec.json.decode(raw), first
    reasons: list[str] = []
    cleared: Path = ()
    while len(reasons) < MAX_UNREADABLE:
        path = _path_of(error)
        if path == cleared:
            path = path[:-1]  # it may not be null: what contains it becomes unknown
        else:
            reasons.append(str(error))
        if not path:
            break
        _clear(value, path, decode)
        # A member that went from a list leaves its place to the next.
        cleared = () if isinstance(path[-1], int) else path
        try:
            return decode_strictly(msgspec.json.encode(value), decode), reasons
        except msgspec.ValidationError as next_error:
            error = next_error
    raise first


def decode_strictly(raw: bytes | msgspec.Raw, decode: Decode) -> Sample:
    """Return a sample whose readings are all valid, times too. Raises msgspec.DecodeError."""
    sample = decode(raw)
    for path, at in _times(sample, "$"):
        if path != "$.timestamp" and not MIN_TIME <= at <= _add(sample.timestamp, MAX_AHEAD):
            raise msgspec.ValidationError(f"Time out of range - at `{path}`")
    return sample


def correct_times(value: Any, context: Context) -> Any:
    """Return a sample, or a part of it, with its times by our clock. Raises Refused."""
    correct = partial(correct_times, context=context)
    if isinstance(value, datetime):
        return context.correct(value)
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value)
        return type(value)(**{name: correct(each) for name, each in fields.items()})
    if isinstance(value, list):
        return [correct(each) for each in value]
    return {name: correct(e) for name, e in value.items()} if isinstance(value, dict) else value


def _add(at: datetime, span: timedelta) -> datetime:
    return at + span if at < datetime.max.replace(tzinfo=UTC) - span else at


def _times(value: Any, path: str) -> Iterator[tuple[str, datetime]]:
    if isinstance(value, datetime):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _times(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _times(each, f"{path}[{index}]")
    elif isinstance(value, dict):
        for each in value.values():
            yield from _times(each, f"{path}[...]")


def _path_of(error: msgspec.ValidationError) -> Path:
    _, found, path = str(error).rpartition(_PATH)
    steps = _STEP.findall(path.removesuffix("`")) if found else []
    return tuple(name or (int(index) if index.isdigit() else index) for name, index in steps)


def _clear(value: Any, path: Path, decode: Decode) -> None:
    """Make the reading at `path` unknown: a field null; a member of a list or table goes."""
    inner = value
    for place, step in enumerate(path[:-1]):
        if step == _ANY_MEMBER:
            _clear_members(value, inner, path[:place], decode)
            return
        inner = inner[step]
    if path[-1] == _ANY_MEMBER:
        _clear_members(value, inner, path[:-1], decode)
    elif isinstance(path[-1], int):
        del inner[path[-1]]
    else:
        inner[path[-1]] = None


def _clear_members(value: Any, table: dict[str, Any], path: Path, decode: Decode) -> None:
    """Remove the members that cannot be read: an error does not name them."""
    members = dict(table)
    table.clear()
    readable = {}
    for name, member in members.items():
        table[name] = member
        try:
            decode_strictly(msgspec.json.encode(value), decode)
        except msgspec.ValidationError as error:
            if _path_of(error)[: len(path)] != path:
                readable[name] = member
        else:
            readable[name] = member
        table.clear()
    table.update(readable)

"""Pure: the body of a POST → its accepted items and its refused ones, with reasons."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby, islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from server.events.mapping import (
    INVALID,
    NODE,
    Context,
    Refused,
    WrongNode,
    copy_line,
)
from server.events.mapping_fast_path import PlainEvent, is_mappable, plain_lines
from server.ingest.errors import Malformed, NodeMismatch, TooLarge
from server.ingest.parsing.readings import (
    MAX_UNREADABLE_PER_BODY,
    correct_times,
    decode_strictly,
    read_sample,
)
from server.ingest.parsing.text import clean_json, null_no_numbers
from server.metrics.wire import SAMPLES, Sample

Item = TypeVar("Item")
Range = tuple[int, int]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
#: A hundred years: a clock without a battery begins in 1970.
MAX_CLOCK_SET_MS = 100 * 366 * 24 * 3_600_000


class Envelope(msgspec.Struct, Generic[Item], frozen=True):
    """A numbered batch. `first_seq`: the number of its first event in the agent's `epoch`.

    `dropped`: ranges of numbers, both ends included, that the agent had to drop. `clock_set_ms`:
    how much its clock was set forward since the events were captured; negative: set back.
    """

    events: list[Item]
    epoch: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    first_seq: Seq | None = None
    dropped: Annotated[list[tuple[Seq, Seq]], msgspec.Meta(max_length=1000)] = []
    clock_set_ms: Annotated[int, msgspec.Meta(ge=-MAX_CLOCK_SET_MS, le=MAX_CLOCK_SET_MS)] = 0


@dataclass
class Batch:
    """One decoded POST. `rejected`: index, code and reason of each refused item; `node`: the key's,
    or the only one of all accepted events; `unreadable`: why readings of accepted samples are
    unknown."""

    accepted: list[Any] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    epoch: str | None = None
    first_seq: int = 0
    dropped: tuple[Range, ...] = ()
    refused_ranges: tuple[Range, ...] = ()
    node: str | None = None
    unreadable: list[str] = field(default_factory=list)
    sampled_nodes: set[str] = field(default_factory=set)


_decode_envelope = msgspec.json.Decoder(Envelope[msgspec.Raw]).decode
_decode_plain_envelope = msgspec.json.Decoder(Envelope[PlainEvent]).decode  # type: ignore[valid-type]
_decode_plain_list = msgspec.json.Decoder(list[PlainEvent]).decode  # type: ignore[valid-type]
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_sample: dict[str, Callable[[bytes | msgspec.Raw], Sample]] = {
    kind: msgspec.json.Decoder(of).decode for kind, of in SAMPLES.items()
}
#: Commas an item has at most, by which decoded values are bounded before there are any: an event
#: has some fifty fields and a hundred symbols, the longest sample of a queue ten thousand counts.
MAX_EVENT_COMMAS, MAX_SAMPLE_COMMAS = 256, 512
#: Ranges of refused numbers that are kept of one batch; the others are only counted.
MAX_REFUSED_RANGES = 100
#: Escapes an item has at most, each of which is looked at.
MAX_ESCAPES = 200
#: Of one sample: pages read the newest of each node whole. The longest of an agent is a quarter.
MAX_SAMPLE_BYTES = 1024 * 1024
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_skim = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode


def parse_event_batch(body: bytes, context: Context, *, max_events: int) -> Batch:
    """Read one event, an array of them, or a numbered envelope.

    Raises Malformed, TooLarge or NodeMismatch.
    """
    _check_size(body, max_events, MAX_EVENT_COMMAS)
    body = clean_json(body)
    parts = _read_at_once(body, context, max_events) or _read_one_by_one(body, context, max_events)
    envelope, batch = parts
    batch.node = context.node or _only_node(batch.accepted)
    if envelope.epoch is not None:
        _number(batch, envelope)
    return batch


def parse_sample_batch(kind: str, body: bytes, context: Context, *, max_samples: int) -> Batch:
    """Read one sample of a kind or an array of them.

    Raises Malformed, TooLarge or NodeMismatch.
    Accepted items are lines for the inbox: the kind, and the fields of the sample that are known.
    """
    _check_size(body, max_samples, MAX_SAMPLE_COMMAS)
    body = _readable(clean_json(body))
    items = _decode_body(_decode_list, body) if body.lstrip()[:1] == b"[" else [msgspec.Raw(body)]
    if len(items) > max_samples:
        raise TooLarge(f"{len(items)} samples; send at most {max_samples} in one batch")
    unreadable: list[str] = []
    sampled_nodes: set[str] = set()

    def read(raw: msgspec.Raw) -> bytes:
        node, line = _sample_line(kind, raw, context, unreadable)
        sampled_nodes.add(node)
        return line

    batch = _split_items(items, read, context.node)
    batch.unreadable, batch.sampled_nodes = unreadable, sampled_nodes
    return batch


def decode_sample(line: bytes) -> Sample:
    """Decode one line of the inbox; lines of the version before have no kind."""
    if line[:1] == b"{":
        return _decode_sample["system"](line)
    kind, _, body = line.partition(b" ")
    return _decode_sample[kind.decode()](body)


def _sample_line(
    kind: str, raw: msgspec.Raw, context: Context, unreadable: list[str]
) -> tuple[str, bytes]:
    if memoryview(raw).nbytes > MAX_SAMPLE_BYTES:
        raise Refused(f"a sample of more than {MAX_SAMPLE_BYTES} bytes")
    decode = _decode_sample[kind]
    if len(unreadable) < MAX_UNREADABLE_PER_BODY:
        sample, reasons = read_sample(raw, decode)
    else:
        sample, reasons = decode_strictly(raw, decode), []
    if context.node is not None and sample.node_id != context.node:
        raise WrongNode(context.node, sample.node_id)
    if context.ahead:
        sample = correct_times(sample, context)
    context.check_time("timestamp", sample.timestamp)
    unreadable += [f"{kind} of {sample.node_id}: {reason}" for reason in reasons]
    return sample.node_id, kind.encode() + b" " + _encode(sample)


def _check_size(body: bytes, max_items: int, max_commas: int) -> None:
    """Bound what decoding can make of a body, by a look at its bytes. Raises TooLarge."""
    if (
        body.count(b",") > (max_items + 1) * max_commas
        or body.count(b"\\") > (max_items + 1) * MAX_ESCAPES
    ):
        raise TooLarge(f"too many values; send at most {max_items} items in one batch")


def _readable(body: bytes) -> bytes:
    """Return `body` where it is JSON, without NaN and Infinity; skims it. Raises Malformed."""
    try:
        _decode_body(_skim, body)
    except Malformed:
        body = null_no_numbers(body)
        _decode_body(_skim, body)
    return body


def _number(batch: Batch, envelope: Envelope[Any]) -> None:
    if envelope.first_seq is None:
        raise Malformed("a batch with `epoch` needs `first_seq`")
    if any(first > last for first, last in envelope.dropped):
        raise Malformed("`dropped`: a range ends before it begins")
    batch.epoch, batch.first_seq = envelope.epoch, envelope.first_seq
    batch.dropped = tuple(envelope.dropped)
    places = [each["index"] for each in batch.rejected]
    batch.refused_ranges = tuple(_number_ranges(places, envelope.first_seq))


def _number_ranges(places: list[int], first_seq: int) -> Iterator[Range]:
    """Yield the numbers at some places of a batch as ranges: MAX_REFUSED_RANGES at most."""
    # What follows each other has the same distance from its place in the list.
    runs = groupby(enumerate(places), lambda item: item[1] - item[0])
    for _, run in islice(runs, MAX_REFUSED_RANGES):
        first, *rest = [place for _, place in run]
        yield first_seq + first, first_seq + (rest[-1] if rest else first)


def _only_node(lines: list[str]) -> str | None:
    nodes = {line.split("\t", NODE + 1)[NODE] for line in lines}
    return nodes.pop() if len(nodes) == 1 else None


def _read_at_once(
    body: bytes, context: Context, max_events: int
) -> tuple[Envelope[Any], Batch] | None:
    """Read a batch of which no event has to be mended or refused. None: there may be some."""
    if not is_mappable(body):
        return None
    try:
        envelope: Envelope[Any] = (
            Envelope(events=_decode_plain_list(body))
            if body.startswith(b"[")
            else _decode_plain_envelope(body)
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    context = _context_of(envelope, context, max_events)
    lines = plain_lines(envelope.events, context, escaped=context.needs_escaping(body))
    return None if lines is None else (envelope, Batch(accepted=lines))


def _read_one_by_one(body: bytes, context: Context, max_events: int) -> tuple[Envelope[Any], Batch]:
    envelope = _read_envelope(_readable(body))
    context = _context_of(envelope, context, max_events)
    batch = _split_items(envelope.events, lambda raw: copy_line(raw, context), context.node)
    return envelope, batch


def _context_of(envelope: Envelope[Any], context: Context, max_events: int) -> Context:
    """Return the context in which its events were captured. Raises TooLarge."""
    if len(envelope.events) > max_events:
        raise TooLarge(f"{len(envelope.events)} events; send at most {max_events} in one batch")
    if not envelope.clock_set_ms:
        return context
    return context.before_setting(timedelta(milliseconds=envelope.clock_set_ms))


def _read_envelope(body: bytes) -> Envelope[msgspec.Raw]:
    match body.lstrip()[:1]:
        case b"[":
            return Envelope(events=_decode_body(_decode_list, body))
        case b"{" if "events" in _decode_body(_decode_object, body):
            return _decode_body(_decode_envelope, body)
        case _:
            return Envelope(events=[msgspec.Raw(body)])


def _decode_body(decode: Callable[[bytes], Item], body: bytes) -> Item:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body cannot be read: {error}") from error


class _Named(msgspec.Struct, frozen=True):
    """The node that an item names, whatever else cannot be read of it."""

    mta_node: str | None = None
    node_id: str | None = None


_decode_named = msgspec.json.Decoder(_Named).decode


def _check_named_node(raw: msgspec.Raw, key_node: str | None) -> None:
    """Raise NodeMismatch when a refused item names another node than the key's."""
    if key_node is None:
        return
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = _decode_named(raw)
        node = named.mta_node or named.node_id
        if node and node != key_node:
            raise NodeMismatch(key_node, node)


def _split_items(
    items: list[msgspec.Raw], read: Callable[[msgspec.Raw], Any], key_node: str | None
) -> Batch:
    batch = Batch()
    for index, raw in enumerate(items):
        try:
            batch.accepted.append(read(raw))
        except WrongNode as error:
            raise NodeMismatch(error.key_node, error.node) from error
        except (Refused, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _check_named_node(raw, key_node)
            code = error.code if isinstance(error, Refused) else INVALID
            batch.rejected.append({"index": index, "code": code, "error": str(error)})
    return batch

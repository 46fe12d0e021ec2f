"""Form in which the state of the detection is stored. Pure."""

import zlib
from collections import Counter

import msgspec

from server.alerts.blocks.attempts import Attempts
from server.alerts.blocks.baseline import Baseline
from server.alerts.blocks.cells import Cell, Cells, Key
from server.alerts.blocks.detection import Detector
from server.alerts.blocks.watch import Watch


class _Cells(msgspec.Struct):
    cells: list[tuple[Key, Cell]]
    watches: list[Watch]
    learnt: list[tuple[str, str, int]]
    learnt_refusals: list[Attempts]
    dropped_cells: int


class _Baseline(msgspec.Struct):
    pairs: list[tuple[str, str, float, float]]
    replies: list[tuple[str, str, float]]
    unreached: dict[str, float]
    faded_at: float
    first_at: dict[str, float]


def dump_cells(detector: Detector) -> bytes:
    """Return what changes with each minute."""
    learnt = [(*pair, units) for pair, units in detector.learnt.items() if units]
    stored = _Cells(
        detector.cells.items(),
        detector.watches,
        learnt,
        detector.learnt_refusals,
        detector.dropped_cells,
    )
    return zlib.compress(msgspec.msgpack.encode(stored), 1)


def dump_baseline(baseline: Baseline) -> bytes:
    """Return what changes when it fades, once an hour."""
    stored = _Baseline(
        [(*pair, units, refused) for pair, (units, refused) in baseline.pairs.items()],
        [(*key, refused) for key, refused in baseline.replies.items()],
        baseline.unreached,
        baseline.faded_at,
        baseline.first_at,
    )
    return zlib.compress(msgspec.msgpack.encode(stored), 1)


def load(cells: bytes, baseline: bytes) -> Detector:
    """Return the detection as it was stored. Raises ValueError where it is damaged, or of another
    version."""
    try:
        state = msgspec.msgpack.decode(zlib.decompress(cells), type=_Cells)
        known = msgspec.msgpack.decode(zlib.decompress(baseline), type=_Baseline)
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"the state of the detection cannot be read: {error}") from error
    usual = Baseline(faded_at=known.faded_at, unreached=known.unreached, first_at=known.first_at)
    usual.replies = {(provider, name): refused for provider, name, refused in known.replies}
    usual.restore(known.pairs)
    return Detector(
        baseline=usual,
        cells=Cells(dict(state.cells)),
        watches=state.watches,
        dropped_cells=state.dropped_cells,
        learnt_refusals=state.learnt_refusals,
        learnt=Counter({(provider, ip): units for provider, ip, units in state.learnt}),
    )

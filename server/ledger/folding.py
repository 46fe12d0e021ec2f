"""Bounds of the ledger: old gaps of an epoch, and old epochs of a node, are kept as counts."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

#: Ranges of one epoch; past them the older ones are folded, and half remain.
MAX_RANGES = 1_000
#: Epochs of one node, which begins one with each new spool; the others are added up in one.
MAX_EPOCHS = 100
OLDER = "(older)"

#: Numbers up to the cut count as received from now on; how many of them were missing or dropped is
#: kept. What comes late of them is a repetition.
_FOLD_RANGES = """WITH crowded AS (
  SELECT id, int8multirange(int8range(first_seq, greatest(
    (SELECT upper(r) FROM unnest(received) AS r ORDER BY r DESC OFFSET %(kept)s LIMIT 1),
    (SELECT upper(r) FROM unnest(dropped) AS r ORDER BY r DESC OFFSET %(kept)s LIMIT 1)))) AS old
  FROM ledger_epoch
  WHERE (node, epoch) IN (SELECT * FROM unnest(%(nodes)s::text[], %(epochs)s::text[]))
)
UPDATE ledger_epoch AS epoch SET
  folded_missing_count = folded_missing_count
    + (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint
       FROM unnest(old - received - dropped) AS r),
  folded_dropped_count = folded_dropped_count
    + (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint
       FROM unnest(old * dropped - received) AS r),
  received = received + old,
  dropped = dropped - old
FROM crowded WHERE crowded.id = epoch.id"""
_MISSING, _DROPPED, _REFUSED = (
    f"coalesce(sum((SELECT sum(upper(r) - lower(r)) FROM unnest({numbers}) AS r)), 0)::bigint"  # noqa: S608
    for numbers in (
        "int8multirange(int8range(first_seq, greatest(first_seq, upper(received), upper(dropped))))"
        " - received - dropped",
        "dropped - received",
        "refused",
    )
)
_FOLD_EPOCHS = f"""WITH surplus AS (
  DELETE FROM ledger_epoch WHERE id IN (
    SELECT id FROM (
      SELECT id, row_number() OVER (PARTITION BY node ORDER BY last_received_at DESC, id DESC) AS n
      FROM ledger_epoch WHERE node = ANY(%(nodes)s) AND epoch <> '{OLDER}'
    ) AS counted WHERE n > {MAX_EPOCHS})
  RETURNING *
)
INSERT INTO ledger_epoch AS stored (node, epoch, first_seq, received, dropped, repeated_count,
  refused_count, folded_missing_count, folded_dropped_count, first_received_at, last_received_at)
SELECT node, '{OLDER}', 0, '{{}}', '{{}}', sum(repeated_count),
  sum(refused_count) + {_REFUSED},
  sum(folded_missing_count) + {_MISSING}, sum(folded_dropped_count) + {_DROPPED},
  min(first_received_at), max(last_received_at)
FROM surplus GROUP BY node
ON CONFLICT (node, epoch) DO UPDATE SET
  repeated_count = stored.repeated_count + EXCLUDED.repeated_count,
  refused_count = stored.refused_count + EXCLUDED.refused_count,
  folded_missing_count = stored.folded_missing_count + EXCLUDED.folded_missing_count,
  folded_dropped_count = stored.folded_dropped_count + EXCLUDED.folded_dropped_count,
  first_received_at = least(stored.first_received_at, EXCLUDED.first_received_at),
  last_received_at = greatest(stored.last_received_at, EXCLUDED.last_received_at)"""  # noqa: S608


#: What the statement that records epochs answers of each: node, epoch, whether it has too many
#: ranges, and whether it is one too many of its node. Mostly neither.
RETURNING = f"""RETURNING stored.node, stored.epoch,
  (SELECT count(*) FROM unnest(stored.received)) > {MAX_RANGES}
    OR (SELECT count(*) FROM unnest(stored.dropped)) > {MAX_RANGES},
  CASE WHEN stored.xmax <> 0 THEN false ELSE (
    SELECT count(*) FROM ledger_epoch AS other WHERE other.node = stored.node) >= {MAX_EPOCHS}
  END"""  # noqa: S608


def fold(cursor: CursorWrapper, recorded: Sequence[tuple[str, str, bool, bool]]) -> None:
    """Bound the epochs that were just recorded, by the rows of RETURNING."""
    crowded = [(node, epoch) for node, epoch, is_crowded, _ in recorded if is_crowded]
    if crowded:
        nodes, epochs = ([pair[n] for pair in crowded] for n in range(2))
        values: dict[str, Any] = {"nodes": nodes, "epochs": epochs, "kept": MAX_RANGES // 2}
        cursor.execute(_FOLD_RANGES, values)
    full = sorted({node for node, _, _, is_too_many in recorded if is_too_many})
    if full:
        cursor.execute(_FOLD_EPOCHS, {"nodes": full})

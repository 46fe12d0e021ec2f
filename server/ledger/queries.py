"""Queries of the ledger: missing and dropped numbers of each epoch."""

from dataclasses import dataclass, field
from datetime import datetime

from server.timescale.rows import fetch_rows

#: Ranges listed of one epoch; all of them are counted.
RANGES_LISTED = 50

COMPLETENESS = """
SELECT node, epoch, first_seq, last_seq, repeated_count,
  refused_count + (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(refused) AS r),
  first_received_at, last_received_at,
  folded_missing_count
    + (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(missing) AS r),
  folded_dropped_count
    + (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(explained) AS r),
  ARRAY(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest(missing) AS r
        ORDER BY lower(r) LIMIT %(listed)s),
  ARRAY(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest(explained) AS r
        ORDER BY lower(r) LIMIT %(listed)s),
  ARRAY(SELECT ARRAY[lower(r), upper(r) - 1] FROM unnest(refused) AS r
        ORDER BY lower(r) LIMIT %(listed)s)
FROM (
  SELECT *, spanned - received - dropped AS missing, dropped - received AS explained,
    upper(spanned) - 1 AS last_seq
  FROM (
    SELECT *, int8multirange(int8range(first_seq, greatest(
      coalesce(upper(received), 0), coalesce(upper(dropped), 0), first_seq))) AS spanned
    FROM ledger_epoch
    WHERE (%(node)s::text IS NULL OR node = %(node)s) AND last_received_at >= %(since)s
  ) AS epochs
) AS compared
ORDER BY node, last_received_at DESC"""


@dataclass(frozen=True)
class Completeness:
    """One epoch, or those that are too old to be kept each. Ranges have both ends included: the
    first RANGES_LISTED of those that are not folded."""

    node: str
    epoch: str
    first_seq: int
    last_seq: int | None
    repeated_count: int
    refused_count: int
    first_received_at: datetime
    last_received_at: datetime
    missing_count: int
    dropped_count: int
    missing_ranges: list[list[int]]
    dropped_ranges: list[list[int]]
    refused_ranges: list[list[int]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all that its agent did not drop is stored: nothing missing, nothing refused."""
        return not self.missing_count and not self.refused_count


def completeness(since: datetime, *, node: str | None = None) -> list[Completeness]:
    """Return every epoch received from since `since`, of one node or of all."""
    values = {"node": node, "since": since, "listed": RANGES_LISTED}
    return [Completeness(*row) for row in fetch_rows(COMPLETENESS, values)]

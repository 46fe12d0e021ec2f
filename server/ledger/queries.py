"""Queries of the ledger: missing and dropped numbers of each epoch in a range of time.

Numbers have no time of their own. Those of a range are the ones above what was known at its begin,
as of the newest snapshot before it; counts without numbers are what was added since then.
"""

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
        ORDER BY lower(r) LIMIT %(listed)s),
  counted_since
FROM (
  SELECT node, epoch, first_seq, last_seq, first_received_at, last_received_at, counted_since,
    repeated_count, refused_count, folded_missing_count, folded_dropped_count,
    spanned - received - dropped AS missing,
    (dropped - received) * int8multirange(int8range(lowest, NULL)) AS explained,
    refused * int8multirange(int8range(lowest, NULL)) AS refused
  FROM (
    SELECT node, epoch, first_seq, ends_before - 1 AS last_seq, lowest, received, dropped, refused,
      first_received_at, last_received_at,
      coalesce(before.at, first_received_at) AS counted_since,
      repeated_count - coalesce(before.repeated, 0) AS repeated_count,
      refused_count - coalesce(before.refusals, 0) AS refused_count,
      folded_missing_count - coalesce(before.folded_missing, 0) AS folded_missing_count,
      folded_dropped_count - coalesce(before.folded_dropped, 0) AS folded_dropped_count,
      int8multirange(int8range(lowest, greatest(lowest, ends_before))) AS spanned
    FROM ledger_epoch
    LEFT JOIN LATERAL (
      SELECT at, last_seq AS up_to, repeated_count AS repeated, refused_count AS refusals,
        folded_missing_count AS folded_missing, folded_dropped_count AS folded_dropped
      FROM ledger_snapshot AS snapshot
      WHERE snapshot.node = ledger_epoch.node AND snapshot.epoch = ledger_epoch.epoch
        AND snapshot.at <= %(since)s
      ORDER BY at DESC LIMIT 1
    ) AS before ON true
    CROSS JOIN LATERAL (SELECT greatest(first_seq, before.up_to + 1), greatest(
      coalesce(upper(received), 0), coalesce(upper(dropped), 0), first_seq
    )) AS ends (lowest, ends_before)
    WHERE (%(node)s::text IS NULL OR node = %(node)s) AND last_received_at >= %(since)s
  ) AS epochs
) AS compared
ORDER BY node, last_received_at DESC"""


@dataclass(frozen=True)
class Completeness:
    """One epoch in a range of time, or those that are too old to be kept each. Ranges have both
    ends included: the first RANGES_LISTED of those that are not folded.

    `first_seq` and `last_seq` are of its whole life. `counted_since`: when the counts begin, which
    is up to an hour before the range, or later where the epoch does.
    """

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
    counted_since: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether all that its agent did not drop is stored: nothing missing, nothing refused."""
        return not self.missing_count and not self.refused_count


def completeness(since: datetime, *, node: str | None = None) -> list[Completeness]:
    """Return every epoch received from since `since`, of one node or of all, and what it lacks of
    what came since then. Late numbers are complete whenever they come."""
    values = {"node": node, "since": since, "listed": RANGES_LISTED}
    return [Completeness(*row) for row in fetch_rows(COMPLETENESS, values)]

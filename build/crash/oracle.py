"""The oracle's questions: what was acknowledged, against rows, counts and ledger."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from build.bench.arrangement import Arrangement
from build.crash.mail import Batch, epoch_name

SHOWN_IDS = 5
NOT_STORED = """SELECT count(*), (array_agg(event_id::text))[1:%s] FROM expected
WHERE NOT EXISTS (SELECT FROM email_events AS e WHERE e.event_id = expected.event_id)"""
NOT_ACKNOWLEDGED = """SELECT count(*) FROM email_events AS e
WHERE NOT EXISTS (SELECT FROM expected WHERE expected.event_id = e.event_id)"""
TWICE = """SELECT coalesce(sum(n - 1), 0)::bigint, (array_agg(event_id::text))[1:%s]
FROM (SELECT event_id, count(*) AS n FROM email_events GROUP BY 1 HAVING count(*) > 1) AS more"""
LEVELS = {
    "email_stats_1m": "1 minute",
    "email_stats_5m": "5 minutes",
    "email_stats_1h": "1 hour",
    "email_stats_daily": "1 day",
}
#: Null-sender mail is counted apart; both kinds must agree with their rows in every bucket.
ROLLUP = """SELECT coalesce(sum(abs(coalesce(raw.events, 0) - coalesce(kept.events, 0))), 0)::bigint
FROM (
  SELECT time_bucket('{width}', occurred_at) AS bucket, direction, event_type,
    CASE WHEN from_address = '<>' THEN 'null_sender' ELSE 'all' END AS dimension,
    count(*) AS events
  FROM email_events GROUP BY 1, 2, 3, 4) AS raw
FULL JOIN (
  SELECT bucket, direction, event_type, dimension, sum(events) AS events
  FROM {level} WHERE dimension IN ('all', 'null_sender') GROUP BY 1, 2, 3, 4) AS kept
USING (bucket, direction, event_type, dimension)"""
#: These have every event that `all` has, so they must add up to it.
DIMENSIONS = """SELECT coalesce(sum(abs(total - whole)), 0)::bigint FROM (
  SELECT dimension, sum(events) AS total,
    (SELECT coalesce(sum(events), 0) FROM {level} WHERE dimension = 'all') AS whole
  FROM {level} WHERE dimension IN ('node', 'from_domain', 'to_domain', 'sending_ip')
  GROUP BY 1) AS sums"""
LEDGER = """SELECT coalesce(sum(
    length_of(coalesce(kept.received, '{}') - asked.received)
  + length_of(asked.received - coalesce(kept.received, '{}'))
  + length_of(coalesce(kept.dropped, '{}') - asked.dropped)
  + length_of(asked.dropped - coalesce(kept.dropped, '{}'))), 0)::bigint,
  coalesce(sum(kept.refused_count - asked.refused), 0)::bigint
FROM expected_ledger AS asked FULL JOIN ledger_epoch AS kept USING (epoch)"""
LENGTH_OF = """CREATE OR REPLACE FUNCTION pg_temp.length_of(int8multirange) RETURNS bigint
LANGUAGE sql IMMUTABLE AS
'SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest($1) AS r'"""


@dataclass
class Verdict:
    """What the oracle found. All but `acknowledged` and `kills` must be 0."""

    acknowledged: int = 0
    missing: int = 0
    twice: int = 0
    rollup_difference: int = 0
    ledger_difference: int = 0
    never_acknowledged: int = 0
    refused_overcounted: int = 0
    dead_letters: int = 0
    stranded_batches: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, doubled or counted wrongly."""
        return not any(
            (self.missing, self.twice, self.rollup_difference, self.ledger_difference,
             self.never_acknowledged, self.dead_letters, self.stranded_batches)
        )  # fmt: skip


def judge(arrangement: Arrangement, batches: Sequence[Batch]) -> Verdict:
    """Compare what was acknowledged with what the database holds, in one session."""
    verdict = Verdict(stranded_batches=arrangement.waiting())
    with arrangement.database() as connection, connection.cursor() as cursor:
        cursor.execute("SET work_mem = '256MB'")
        verdict.acknowledged = _expect_events(cursor, batches)
        cursor.execute(NOT_STORED, [SHOWN_IDS])
        verdict.missing, missing = cursor.fetchone()
        cursor.execute(NOT_ACKNOWLEDGED)
        (verdict.never_acknowledged,) = cursor.fetchone()
        cursor.execute(TWICE, [SHOWN_IDS])
        verdict.twice, twice = cursor.fetchone()
        for level, width in LEVELS.items():
            for query in (ROLLUP, DIMENSIONS):
                cursor.execute(query.format(level=level, width=width))
                verdict.rollup_difference += cursor.fetchone()[0]
        _expect_ledger(cursor, batches)
        cursor.execute(LENGTH_OF)
        cursor.execute(LEDGER.replace("length_of", "pg_temp.length_of"))
        verdict.ledger_difference, verdict.refused_overcounted = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM ingest_deadletter")
        (verdict.dead_letters,) = cursor.fetchone()
    verdict.examples = [f"missing {each}" for each in missing or ()]
    verdict.examples += [f"twice {each}" for each in twice or ()]
    return verdict


def _expect_events(cursor: Any, batches: Sequence[Batch]) -> int:
    """Put the ids of the acknowledged events into a table; return how many they are."""
    cursor.execute("CREATE TEMPORARY TABLE expected (event_id uuid PRIMARY KEY)")
    ids = io.StringIO("".join(f"{each}\n" for batch in batches for each in batch.valid_ids))
    cursor.copy_expert("COPY expected FROM STDIN", ids)
    copied: int = cursor.rowcount
    cursor.execute("ANALYZE expected")
    return copied


def _expect_ledger(cursor: Any, batches: Sequence[Batch]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE expected_ledger"
        " (epoch text, received int8multirange, dropped int8multirange, refused bigint)"
    )
    by_epoch: dict[str, list[Batch]] = {}
    for batch in batches:
        by_epoch.setdefault(epoch_name(batch.node, batch.epoch), []).append(batch)
    for epoch, its in by_epoch.items():
        received = ",".join(f"[{b.first_seq},{b.first_seq + b.count})" for b in its)
        dropped = ",".join(f"[{first},{last + 1})" for b in its for first, last in b.dropped)
        refused = sum(len(b.refused) for b in its)
        cursor.execute(
            "INSERT INTO expected_ledger VALUES (%s, %s, %s, %s)",
            [epoch, f"{{{received}}}", f"{{{dropped}}}", refused],
        )

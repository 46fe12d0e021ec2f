"""Rule of which rows are one event: an id, a node, and the hour around.

A node speaks for itself alone: an id that comes from two nodes is two events, or one of them could
suppress the other's by being first. The exceptions are a queue of ZoneMTA and a database of
WildDuck that several nodes share: their change streams see each other's events, under the same ids.
"""

from datetime import timedelta

from django.db import connection

#: One staging table per database session, emptied by each commit.
STAGING = "staged_email_events"
COLLISIONS = "event_id_collisions"

#: How far from each other two sources may date the same event: a plugin stamps when it learns of
#: it, the change stream says what MongoDB wrote. What lies further apart under one id happened
#: twice: a queue that was restored from a backup delivers again.
SAME_EVENT_WITHIN = timedelta(hours=1)
#: How long after an inferred outcome its report may come: as long as an agent remembers it.
REPLACED_WITHIN = timedelta(days=3)


def near(within: timedelta, column: str = "occurred_at") -> str:
    """Return the condition that a stored event, or its bucket, lies near the times of the batch.

    The bounds are literals, so that TimescaleDB plans without the chunks of other times.
    """
    return f"""stored.{column} BETWEEN %(oldest)s::timestamptz - {_interval(within)}
                             AND %(newest)s::timestamptz + {_interval(within)}"""


def _interval(length: timedelta) -> str:
    return f"interval '{length.total_seconds():.0f} s'"


NEAR_SAME, NEAR_REPLACED = near(SAME_EVENT_WITHIN), near(REPLACED_WITHIN)
#: One bound only: with two of them a chunk without statistics seems better searched by its times
#: than by the ids of its messages. The other is in `_at_the_same_time`, which no index answers.
NOT_BEFORE = f"stored.occurred_at >= %(oldest)s::timestamptz - {_interval(SAME_EVENT_WITHIN)}"
#: Ends a subquery that is to be made for each staged row, by an index: a fence for the planner.
ONE_BY_ONE = "OFFSET 0"


def _at_the_same_time(other: str, within: str = _interval(SAME_EVENT_WITHIN)) -> str:
    return f"""staged.occurred_at - {other}.occurred_at BETWEEN -{within} AND {within}"""


def _is_of_another_node(other: str) -> str:
    """Return the condition that a row has the id of a staged row and is another event."""
    return f"""{other}.mta_node <> staged.mta_node AND NOT CASE
      WHEN 'wildduck_stream' IN ({other}.source, staged.source)
      THEN {other}.source = staged.source AND {other}.event_type = staged.event_type
        AND {other}.account IS NOT DISTINCT FROM staged.account
      ELSE coalesce({other}.queue_id = staged.queue_id, false)
        AND 'change_stream' IN ({other}.source, staged.source) END"""


#: The two inequalities are for the planner alone, which without statistics (a new chunk has none)
#: takes equal ids for one row in 200, and then an index of times for as good.
HAS_SAME_ID = f"""stored.event_id = staged.event_id
    AND stored.event_id >= staged.event_id AND stored.event_id <= staged.event_id
    AND {NEAR_SAME}
    AND {_at_the_same_time("stored", "%(within)s::interval")}"""
IS_STORED = f"""EXISTS (
  SELECT FROM email_events AS stored
  WHERE {HAS_SAME_ID})"""

#: The staged rows, one for each event: the reported one rather than the inferred, then the earlier.
#: Of those with one id each begins another event that comes an hour after the one before it.
STAGED_ONCE = f"""(
  SELECT DISTINCT ON (event_id, times) * FROM (
    SELECT *, count(*) FILTER (WHERE is_later) OVER in_order AS times FROM (
      SELECT *, occurred_at - lag(occurred_at) OVER in_order
        > {_interval(SAME_EVENT_WITHIN)} AS is_later
      FROM {STAGING} WINDOW in_order AS (PARTITION BY event_id ORDER BY occurred_at)
    ) AS compared WINDOW in_order AS (PARTITION BY event_id ORDER BY occurred_at)
  ) AS numbered
  ORDER BY event_id, times, certainty = 'inferred', occurred_at, mta_node
)"""  # noqa: S608 (constants)


def _set_apart(which: str) -> str:
    """Return the statement that gives staged rows an id of their own, the same whenever they come,
    and counts them."""
    return f"""WITH apart AS (
  UPDATE {STAGING} AS staged
  SET event_id = md5(staged.event_id::text || '|' || staged.mta_node)::uuid
  {which}
  RETURNING staged.mta_node
)
INSERT INTO {COLLISIONS} AS counted (events, last_at, last_node)
SELECT count(*), now(), max(mta_node) FROM apart HAVING count(*) > 0
ON CONFLICT (only_row) DO UPDATE SET events = counted.events + EXCLUDED.events,
  last_at = EXCLUDED.last_at, last_node = EXCLUDED.last_node"""  # noqa: S608 (constants)


#: What came with the id of an event that another node stored, or that is staged of another node.
SET_APART_FROM_STORED = _set_apart(
    f"""WHERE EXISTS (
    SELECT FROM email_events AS stored
    WHERE {HAS_SAME_ID} AND {_is_of_another_node("stored")})"""
)
SET_APART_FROM_STAGED = _set_apart(
    f"""FROM (
    SELECT DISTINCT ON (event_id) event_id, mta_node, queue_id, source, occurred_at, event_type,
      account FROM {STAGING}
    ORDER BY event_id, certainty = 'inferred', occurred_at, mta_node) AS first
  WHERE first.event_id = staged.event_id
    AND {_at_the_same_time("first")} AND {_is_of_another_node("first")}"""  # noqa: S608
)

_OUTCOMES = "('delivered', 'bounced', 'rejected', 'dropped')"


def _is_guess_about(guess: str, report: str, *, same: str = "false") -> str:
    """Return the condition that one row is an outcome inferred by the stream of another node of a
    shared queue, and another row how that delivery ended.

    Guesses are said to be not reported, as the index of what is inferred would be searched by time.
    A report under the same id without a recipient says nothing better. `same`: whether one under
    another id may say the same.
    """
    return f"""{guess}.queue_id = {report}.queue_id AND {guess}.queue_seq = {report}.queue_seq
    AND {guess}.mta_node <> {report}.mta_node
    AND {guess}.certainty <> 'reported' AND {report}.certainty = 'reported'
    AND {guess}.event_type IN {_OUTCOMES} AND {report}.event_type IN {_OUTCOMES}
    AND CASE WHEN {guess}.event_id = {report}.event_id THEN {report}.to_address IS NOT NULL
             ELSE {report}.event_type <> 'delivered' OR {same} END"""


#: The staged guesses whose report is staged, or stored; a plugin of the first version reports the
#: same `delivered` under another id.
_IS_DELIVERED = "staged.event_type = 'delivered'"
#: Both sides are staged and without statistics: row by row they would be compared for minutes.
REMOVE_GUESSES_BESIDE = f"""SET LOCAL enable_nestloop = off;
DELETE FROM {STAGING} AS staged USING {STAGING} AS report
WHERE {_is_guess_about("staged", "report", same=_IS_DELIVERED)} AND {_at_the_same_time("report")};
SET LOCAL enable_nestloop = on"""  # noqa: S608
REMOVE_GUESSES_OVERTAKEN = f"""DELETE FROM {STAGING} AS staged
WHERE staged.certainty = 'inferred' AND EXISTS (
  SELECT FROM email_events AS stored
  WHERE {_is_guess_about("staged", "stored", same=_IS_DELIVERED)}
    AND {NOT_BEFORE} AND {_at_the_same_time("stored")} {ONE_BY_ONE})"""  # noqa: S608
#: The stored guesses whose report is staged.
_GUESSES = f"""{STAGING} AS staged CROSS JOIN LATERAL (
  SELECT stored.event_id, stored.occurred_at FROM email_events AS stored
  WHERE {_is_guess_about("stored", "staged")}
    AND {NOT_BEFORE} AND {_at_the_same_time("stored")} {ONE_BY_ONE}) AS guess"""  # noqa: S608
REMOVE_GUESSED = f"""DELETE FROM email_events AS stored
USING (SELECT DISTINCT guess.event_id, guess.occurred_at FROM {_GUESSES}) AS found
WHERE stored.event_id = found.event_id AND stored.occurred_at - found.occurred_at = interval '0'
  AND stored.event_id >= found.event_id AND stored.event_id <= found.event_id
  AND {NOT_BEFORE}"""  # noqa: S608
#: Asked first: where nothing is inferred the answer is no, and cheap.
ANY_IS_INFERRED = f"""SELECT EXISTS (
  SELECT FROM email_events AS stored WHERE stored.certainty = 'inferred' AND {NEAR_SAME})"""  # noqa: S608
#: Whether there is any stored guess whose report is staged.
ANY_IS_GUESSED = f"SELECT EXISTS (SELECT FROM {_GUESSES})"  # noqa: S608
#: The same where no staged id is stored: a `delivered` then refutes nothing.
ANY_IS_REFUTED = f"""SELECT EXISTS (
  SELECT FROM {_GUESSES} WHERE staged.event_type <> 'delivered')"""  # noqa: S608


def count_collisions() -> int:
    """Return how many events came with the id of another node's. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(sum(events), 0) FROM {COLLISIONS}")  # noqa: S608
        return int(cursor.fetchone()[0])

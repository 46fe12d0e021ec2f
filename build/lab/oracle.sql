-- The verdict on the server: one row, a column for each field of ServerVerdict that SQL can tell.
-- Needs the temporary tables expected (event_id, at) and expected_ledger (epoch, received, dropped,
-- refused); all columns but acknowledged must be 0, and refused_overcounted should be.
CREATE FUNCTION pg_temp.length_of(int8multirange) RETURNS bigint LANGUAGE sql IMMUTABLE AS
'SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest($1) AS r';

CREATE FUNCTION pg_temp.rollup_difference(level regclass, width interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  difference bigint;
  total bigint;
BEGIN
  -- Null-sender mail is counted apart; both kinds must agree with their rows in every bucket.
  EXECUTE format($query$
    SELECT coalesce(sum(abs(coalesce(raw.events, 0) - coalesce(stored.events, 0))), 0) FROM (
      SELECT time_bucket($1, occurred_at) AS bucket, direction, event_type,
        CASE WHEN from_address = '<>' THEN 'null_sender' ELSE 'all' END AS dimension,
        count(*) AS events
      FROM email_events GROUP BY 1, 2, 3, 4) AS raw
    FULL JOIN (
      SELECT bucket, direction, event_type, dimension, sum(events) AS events
      FROM %s WHERE dimension IN ('all', 'null_sender') GROUP BY 1, 2, 3, 4) AS stored
    USING (bucket, direction, event_type, dimension)$query$, level)
  INTO difference USING width;
  -- These dimensions have every event that `all` has, so they must add up to it.
  EXECUTE format($query$
    SELECT coalesce(sum(abs(total - all_events)), 0) FROM (
      SELECT dimension, sum(events) AS total,
        (SELECT coalesce(sum(events), 0) FROM %1$s WHERE dimension = 'all') AS all_events
      FROM %1$s WHERE dimension IN ('node', 'from_domain', 'to_domain', 'sending_ip')
      GROUP BY 1) AS sums$query$, level)
  INTO total;
  RETURN difference + total;
END $$;

WITH missing AS (
  SELECT event_id FROM expected
  WHERE NOT EXISTS (SELECT FROM email_events AS e WHERE e.event_id = expected.event_id)
), wrong_times AS (
  -- A request may be under way, while its server stands still, for as long as its agent waits.
  SELECT event_id FROM expected JOIN email_events USING (event_id)
  WHERE occurred_at NOT BETWEEN at - interval '1 minute' AND at + interval '1 minute'
), twice AS (
  SELECT event_id, count(*) - 1 AS more FROM email_events GROUP BY 1 HAVING count(*) > 1
), ledger AS (
  SELECT
    coalesce(sum(
      pg_temp.length_of(coalesce(stored.received, '{}') - wanted.received)
      + pg_temp.length_of(wanted.received - coalesce(stored.received, '{}'))
      + pg_temp.length_of(coalesce(stored.dropped, '{}') - wanted.dropped)
      + pg_temp.length_of(wanted.dropped - coalesce(stored.dropped, '{}'))), 0)::bigint AS difference,
    coalesce(sum(stored.refused_count + pg_temp.length_of(stored.refused) - wanted.refused), 0)::bigint AS refused
  FROM expected_ledger AS wanted FULL JOIN ledger_epoch AS stored USING (epoch)
)
SELECT
  (SELECT count(*) FROM expected) AS acknowledged,
  (SELECT count(*) FROM missing) AS missing,
  (SELECT coalesce(sum(more), 0)::bigint FROM twice) AS twice,
  (SELECT count(*) FROM wrong_times) AS wrong_times,
  pg_temp.rollup_difference('email_stats_1m', '1 minute')
    + pg_temp.rollup_difference('email_stats_5m', '5 minutes')
    + pg_temp.rollup_difference('email_stats_1h', '1 hour')
    + pg_temp.rollup_difference('email_stats_daily', '1 day') AS rollup_difference,
  (SELECT difference FROM ledger) AS ledger_difference,
  (SELECT count(*) FROM email_events AS e
   WHERE NOT EXISTS (SELECT FROM expected WHERE expected.event_id = e.event_id))
    AS never_acknowledged,
  (SELECT refused FROM ledger) AS refused_overcounted,
  (SELECT count(*) FROM ingest_deadletter) AS dead_letters,
  ARRAY(SELECT 'missing ' || event_id FROM missing LIMIT 5)
    || ARRAY(SELECT 'twice ' || event_id FROM twice LIMIT 5) AS examples;

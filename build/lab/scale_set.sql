-- Insert the rows of a day again, moved by whole days, with ids of their own: as long as the real ones,
-- as random.
CREATE OR REPLACE FUNCTION pg_temp.copy_day(name text, day timestamptz, moved interval, few boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text;
    contents text;
    at text := CASE name WHEN 'email_events' THEN 'occurred_at' ELSE 'bucket' END;
    sorted text := CASE name WHEN 'email_events' THEN 'occurred_at' ELSE 'dimension, bucket' END;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
        string_agg(CASE attname
            WHEN 'occurred_at' THEN 'occurred_at + $1'
            WHEN 'bucket' THEN 'bucket + $1'
            WHEN 'event_id' THEN 'gen_random_uuid()'
            WHEN 'message_id' THEN
                '''<'' || left(md5(message_id || $1::text), 24) || ''@'' || from_domain || ''>'''
            WHEN 'queue_id' THEN 'left(md5(queue_id || $1::text), length(queue_id))'
            ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
    INTO columns, contents FROM pg_attribute
    WHERE attrelid = name::regclass AND attnum > 0 AND NOT attisdropped;
    -- Of the 5-minute level the days before the raw ones have only the dimensions of few values:
    -- nothing reads the others so far back, as levels are put together, and they would be 20 GB.
    EXECUTE format('INSERT INTO %1$I (%2$s) SELECT %3$s FROM %1$I WHERE %4$I >= $2'
        ' AND %4$I < $2 + interval ''1 day'' AND %5$s ORDER BY %6$s',
        name, columns, contents, at,
        CASE WHEN few THEN 'dimension NOT IN (''from_domain'', ''to_domain'', ''account'', ''provider'',
            ''provider_ip'', ''provider_reply'')' ELSE 'true' END,
        sorted) USING moved, day;
END $$;

"""Symbols of Rspamd on mail that was refused coming in, read from the raw events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.timescale.rows import fetch_rows

#: So many of the newest refusals are read, and events for mail that was let in beside them.
MAX_REFUSALS = 2_000
MAX_EVENTS = 20_000

#: The index of trouble finds refusals by type; both inner limits bound what is read.
SYMBOLS = """WITH refused AS (
  SELECT spam_symbols FROM (
    SELECT spam_symbols FROM email_events
    WHERE event_type IN ('rejected', 'greylisted') AND direction = 'inbound'
      AND occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
    ORDER BY occurred_at DESC LIMIT %(refusals)s
  ) AS newest WHERE spam_symbols IS NOT NULL
), let_in AS (
  SELECT spam_symbols FROM (
    SELECT spam_symbols, direction, event_type FROM email_events
    WHERE occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
    ORDER BY occurred_at DESC LIMIT %(events)s
  ) AS newest
  WHERE direction = 'inbound' AND event_type = 'delivered' AND spam_symbols IS NOT NULL
), of_refused AS (
  SELECT symbol, count(*) AS count FROM refused, unnest(spam_symbols) AS symbol GROUP BY 1
), of_let_in AS (
  SELECT symbol, count(*) AS count FROM let_in, unnest(spam_symbols) AS symbol GROUP BY 1
)
SELECT (SELECT count(*) FROM refused), (SELECT count(*) FROM let_in),
  of_refused.symbol, of_refused.count, coalesce(of_let_in.count, 0)
FROM of_refused LEFT JOIN of_let_in USING (symbol)"""


@dataclass(frozen=True)
class Symbol:
    """One symbol of Rspamd: how many refused messages have it, and how many that were let in."""

    name: str
    refused_count: int
    let_in_count: int


@dataclass(frozen=True)
class Symbols:
    """Symbols of the newest refusals. `…_count`: messages with symbols that were read."""

    refused_count: int
    let_in_count: int
    symbols: Sequence[Symbol]


def symbols(start: datetime, end: datetime) -> Symbols:
    """Return the symbols of the newest refusals of [start, end), in no order."""
    values = {"start": start, "end": end, "refusals": MAX_REFUSALS, "events": MAX_EVENTS}
    rows = fetch_rows(SYMBOLS, values)
    if not rows:
        return Symbols(0, 0, ())
    return Symbols(rows[0][0], rows[0][1], [Symbol(*row[2:]) for row in rows])

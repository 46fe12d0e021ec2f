"""The one declaration of the levels: their width, dimensions, measures and histograms.

Tables, the writer's upsert and the queries are all made from it. All levels share
one shape, `bucket, direction, event_type, dimension, value` and the measures, and every measure is
a sum, so that levels, nodes and ranges merge by adding.
"""

from dataclasses import dataclass
from datetime import timedelta

from server.events.vocabulary import EMPTY_SENDER

#: Upper bounds of the delivery-time histogram, in ms: 8·√2^i, each rounded, with the nearest one
#: moved onto 1, 3, 10, 30, 60 and 300 s so that the brackets the pages draw are exact. A bound
#: belongs to the bucket above it (PostgreSQL's width_bucket), so "< 1 s" is exact.
DELIVERY_BOUNDS_MS = (
    8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1_000, 1_448, 2_048, 3_000,
    4_096, 5_793, 8_192, 10_000, 16_384, 23_170, 30_000, 46_341, 60_000, 92_682, 131_072,
    185_364, 300_000,
)  # fmt: skip

#: Upper bounds of the message-size brackets, in bytes: 10 KB, 100 KB, 1 MB, 5 MB, 25 MB.
SIZE_BOUNDS_BYTES = (10_000, 100_000, 1_000_000, 5_000_000, 25_000_000)

#: Dimension → the column of email_events it groups by. `all` groups by nothing.
DIMENSIONS = {
    "node": "mta_node",
    "from_domain": "from_domain",
    "to_domain": "to_domain",
    "sending_ip": "host(sending_ip)",
    "zone": "zone",
    # Why: of bounces `hard:spam` and the like; of mail coming in who refused it, and what Rspamd
    # wanted done with what was let in. Empty for everything else.
    "bounce": """CASE WHEN event_type = 'bounced' THEN concat(bounce_type, ':', bounce_category)
      WHEN direction <> 'inbound' THEN NULL
      WHEN event_type IN ('rejected', 'greylisted', 'deferred') THEN bounce_category
      WHEN event_type = 'delivered' THEN spam_action END""",
}
#: Dimensions of outbound mail that have a value in each event or two, so that counting them with
#: each batch would cost three times all else: they are counted a minute at a time when it is over
#: (mail/details.py). Each with its value, and how many of them a minute names of one type; events
#: without a value are left out. The pairs are divided by their last blank: names of operators have
#: some.
DETAILS = {
    "provider": ("provider", 1_000),
    "bounce_class": ("bounce_class", 100),
    # Whoever submitted it: what WildDuck forwards and answers by itself is nobody's sending.
    "account": (
        """CASE WHEN origin IS NULL OR origin NOT IN ('forward', 'autoreply')
      THEN coalesce(account, auth_user) END""",
        1_000,
    ),
    "provider_ip": ("provider || ' ' || host(sending_ip)", 1_000),
    "provider_reply": ("provider || ' ' || reply_fingerprint", 200),
}
#: Of the others histograms would be most of the row, and nothing asks for them.
DETAILS_WITH_HISTOGRAMS = ("provider",)
#: Outbound mail with an empty sender (DSNs): counted under this dimension only, kept out of totals.
NULL_SENDER = "null_sender"
IS_NULL_SENDER = f"(direction = 'outbound' AND from_address IS NOT DISTINCT FROM '{EMPTY_SENDER}')"

#: Sums of values in one minute stop here, at 4 TB: what a node reports may be absurd, and two years
#: of such minutes must stay within 64 bits, or nobody's events of that time could be counted.
MAX_SUM = 2**42
KEY = ("bucket", "direction", "event_type", "dimension", "value")
#: What the values of a bucket are counted beside each other in: the key without the value.
GROUP = ("dimension", "bucket", "direction", "event_type")
#: How many values a minute names of one direction, type and dimension, and the value under which it
#: counts the others. A flood of invented domains would otherwise make rows as large as the events
#: themselves, in every level. Wider levels are sums of minutes. Raw events keep their own values.
MAX_VALUES = 1_000
OTHER = "(other)"


@dataclass(frozen=True)
class Measure:
    """One number of a level: its column, and the aggregate over raw rows that gives it."""

    column: str
    aggregate: str
    #: NULL instead of 0. Of a row's histograms most bins are empty: as zeros they were two thirds
    #: of each row, as NULL they are a bit. `sum` adds both up alike, and rows of both kinds live
    #: side by side.
    sparse: bool = False
    #: A sum of values, not a count: it stops at the level's `max_sum`.
    saturates: bool = False


def _histogram(prefix: str, value: str, bounds: tuple[int, ...]) -> tuple[Measure, ...]:
    digits = len(str(len(bounds)))
    return tuple(
        Measure(
            f"{prefix}{i:0{digits}}",
            f"nullif(count(*) FILTER (WHERE {value} = {i}), 0)",
            sparse=True,
        )
        for i in range(len(bounds) + 1)
    )


DELIVERY_HISTOGRAM = _histogram("delivery_h", "delivery_bin", DELIVERY_BOUNDS_MS)
SIZE_HISTOGRAM = _histogram("size_h", "size_bin", SIZE_BOUNDS_BYTES)

MEASURES = (
    Measure("events", "count(*)"),
    # So that every answer can state how much of it the change stream inferred.
    Measure("inferred_events", "count(*) FILTER (WHERE certainty = 'inferred')"),
    Measure("size_bytes", "coalesce(sum(message_size_bytes), 0)", saturates=True),
    Measure("size_count", "count(message_size_bytes)"),
    Measure("delivery_ms_sum", "coalesce(sum(delivery_time_ms), 0)", saturates=True),
    Measure("delivery_count", "count(delivery_time_ms)"),
    *DELIVERY_HISTOGRAM,
    *SIZE_HISTOGRAM,
)


@dataclass(frozen=True)
class Level:
    """One rollup: its table, the width of its buckets, and how wide a chunk is.

    `narrower`: the level whose rows add up to this one's; None: made of raw rows.
    """

    name: str
    table: str
    width: timedelta
    chunk_days: int
    narrower: "Level | None" = None

    @property
    def max_sum(self) -> int:
        """Where sums of values stop."""
        return MAX_SUM * (self.width // timedelta(minutes=1))


ONE_MINUTE = Level("1m", "email_stats_1m", timedelta(minutes=1), 1)
FIVE_MINUTES = Level("5m", "email_stats_5m", timedelta(minutes=5), 7, ONE_MINUTE)
ONE_HOUR = Level("1h", "email_stats_1h", timedelta(hours=1), 30, FIVE_MINUTES)
DAILY = Level("daily", "email_stats_daily", timedelta(days=1), 180, ONE_HOUR)

#: Narrowest first; each is made of the one before it. Days are UTC days.
LEVELS = (ONE_MINUTE, FIVE_MINUTES, ONE_HOUR, DAILY)
WIDER_LEVELS = LEVELS[1:]

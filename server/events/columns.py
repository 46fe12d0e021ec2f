"""The columns of email_events, in the order in which they travel and are copied.

Append only: batches accepted by the version before wait in the inbox in this order.
"""

from typing import NamedTuple


class Column(NamedTuple):
    """One column: its name, its PostgreSQL type, and the most characters kept of a text."""

    name: str
    type: str
    max_chars: int = 0


COLUMNS = (
    Column("occurred_at", "timestamptz NOT NULL"),
    Column("event_id", "uuid NOT NULL"),
    Column("event_type", "text NOT NULL"),
    Column("direction", "text NOT NULL"),
    Column("mta_node", "text NOT NULL", 64),
    Column("message_id", "text", 255),
    Column("queue_id", "text", 64),
    Column("queue_seq", "text", 8),
    Column("from_address", "text", 254),
    Column("from_user", "text", 254),
    Column("from_domain", "text", 254),
    Column("to_address", "text", 254),
    Column("to_domain", "text", 254),
    Column("sending_ip", "inet"),
    Column("sending_ip_v6", "inet"),
    Column("client_ip", "inet"),
    Column("mx_host", "text", 255),
    Column("status_code", "smallint"),
    Column("status_message", "text", 500),
    Column("delivery_time_ms", "integer"),
    Column("queue_time_ms", "bigint"),
    Column("total_time_ms", "bigint"),
    Column("attempt", "integer"),
    Column("bounce_type", "text"),
    Column("bounce_category", "text", 64),
    Column("bounce_message", "text", 500),
    Column("message_size_bytes", "bigint"),
    Column("has_attachment", "boolean"),
    Column("attachment_count", "integer"),
    Column("subject_hash", "text", 64),
    Column("dkim_result", "text"),
    Column("spf_result", "text"),
    Column("dmarc_result", "text"),
    Column("spam_score", "double precision"),
    Column("spam_action", "text", 64),
    Column("spam_symbols", "text[]"),
    Column("tls", "text", 32),
    Column("zone", "text", 64),
    Column("auth_user", "text", 254),
    Column("source", "text NOT NULL"),
    Column("certainty", "text NOT NULL"),
    # The inferred outcome that this reported one takes the place of.
    Column("replaces", "uuid"),
)
NAMES = tuple(column.name for column in COLUMNS)
#: The most symbols kept of a message, and the most characters of one.
SPAM_SYMBOLS_MAX, SPAM_SYMBOL_CHARS = 100, 64

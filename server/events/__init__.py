"""Facts: what happened to one message and recipient, kept in the hypertable email_events."""

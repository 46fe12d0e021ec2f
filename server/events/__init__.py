"""Facts: what happened to one message and recipient, stored in the hypertable email_events."""

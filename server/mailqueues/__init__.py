"""Facts: readings of the mail queues, kept in mail_queue_snapshots; a shared one counts once."""

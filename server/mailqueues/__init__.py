"""Facts: readings of the mail queues, stored in mail_queue_snapshots; a shared one counts once."""

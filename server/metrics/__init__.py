"""Facts: readings of one source at one time, kept in the metrics_* hypertables."""

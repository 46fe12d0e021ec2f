"""One event and the history of its message."""

"""The mail queue, and one destination of it."""

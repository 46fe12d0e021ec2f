"""All nodes over the range, by one reading."""

"""The levels: counts of events by minute, and the one declaration they are made from."""

"""The page of one block: since when, whose mail, which replies, the events behind it."""

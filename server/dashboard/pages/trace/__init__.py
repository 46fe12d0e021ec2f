"""The page of a trace: the story of one message, and the search for it."""

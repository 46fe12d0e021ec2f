"""Trace of one message over all programs and nodes: what happened to it, what it caused, and where
its story ends. `queries` reads the events, `timeline` makes the story of them."""

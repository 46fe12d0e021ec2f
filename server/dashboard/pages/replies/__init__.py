"""Replies without a class: what remote servers say that no rule knows."""

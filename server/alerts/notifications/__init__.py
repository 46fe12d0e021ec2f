"""Notifications of flips: decided in the transaction of the flip, sent from the outbox."""

"""Outbound and inbound mail of the last hour and of the range."""

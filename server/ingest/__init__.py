"""Ingest endpoint of agents and plugins: keys, limits, inbox, and the actors that write."""

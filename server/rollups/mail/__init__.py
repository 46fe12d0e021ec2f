"""Levels of mail events: SQL and queries."""

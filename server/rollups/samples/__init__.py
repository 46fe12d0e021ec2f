"""Levels of samples: declaration, SQL and queries."""

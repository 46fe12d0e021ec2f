"""Metrics, health checks and logging of the server itself."""

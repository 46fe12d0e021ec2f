"""The endpoint that plugins of mail programs report to, and the status of those plugins."""

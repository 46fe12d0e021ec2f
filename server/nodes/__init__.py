"""Watched nodes, and the API keys of their agents."""

"""Endpoints about mail that is refused."""

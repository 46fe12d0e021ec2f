"""Channels of notifications: how each fares, a test, and the form of one."""

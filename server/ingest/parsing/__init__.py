"""Requests: whose clock, bodies read and unpacked, then decoded into batches or registrations."""

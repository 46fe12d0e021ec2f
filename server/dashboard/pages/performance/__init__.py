"""Delivery times and message sizes."""

"""The search for events."""

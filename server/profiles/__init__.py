"""Profiles of outbound mail: one provider, destination, sending IP, sending domain or account."""

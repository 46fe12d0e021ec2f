"""Wiring: settings, routes, applications, the broker. Nothing about mail belongs here."""

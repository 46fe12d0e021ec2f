"""Alerts in the Django admin: Django looks for an app's admin here."""

from server.alerts.notifications import admin

__all__ = ["admin"]

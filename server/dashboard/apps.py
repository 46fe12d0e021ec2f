"""Registration of the dashboard with Django."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.dashboard"
    label = "dashboard"

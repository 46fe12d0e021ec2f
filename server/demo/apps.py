"""App of the demo."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Installed by local settings alone."""

    name = "server.demo"

    def ready(self) -> None:
        """Shorten the figures of the rules of an incident that is acted."""
        from django.conf import settings

        from server.demo.rules import shorten_rules

        shorten_rules(settings.DEMO_RULES)

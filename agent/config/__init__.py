"""Configuration: its settings (`settings`), their sources and checks (`load`)."""

from agent.config.load import Loaded, load
from agent.config.settings import (
    Backend,
    Config,
    Discovery,
    Events,
    Gelf,
    Intervals,
    OutageWebhook,
    Receiver,
    Secret,
    Spool,
)

__all__ = [
    "Backend",
    "Config",
    "Discovery",
    "Events",
    "Gelf",
    "Intervals",
    "Loaded",
    "OutageWebhook",
    "Receiver",
    "Secret",
    "Spool",
    "load",
]

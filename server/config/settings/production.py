"""Production: base as it is. Kept so that a unit file can name it."""

from server.config.settings.base import *

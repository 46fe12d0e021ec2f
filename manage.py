#!/usr/bin/env python
"""Django's command line, with the settings for one machine unless the environment names others."""

import os
import sys

from server.config.command_line import run

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.local")
    sys.exit(run(sys.argv))

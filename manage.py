#!/usr/bin/env python
"""Django's command line, with the settings for one machine unless the environment names others."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.local")
    execute_from_command_line(sys.argv)

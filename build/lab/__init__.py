"""Measures the installation and breaks it on purpose: `python -m build.lab --help`."""

"""Definitions of rules by people: in files, by a form, by the API."""

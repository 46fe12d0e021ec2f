"""Endpoints of single messages: their stories."""

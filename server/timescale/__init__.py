"""Foundations: what migrations and models need of TimescaleDB, and the checks that it is there."""

"""Conditions, one module for each family, and the rules that are on by default."""

"""Evaluator of the rules: gathers, judges, groups, stores; one process at a time."""

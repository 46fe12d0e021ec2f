"""Judgement: which subjects need attention, and the evidence for it."""

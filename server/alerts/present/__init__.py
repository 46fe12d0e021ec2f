"""Judgement of the present for pages and live frames, from the same conditions as alerts."""

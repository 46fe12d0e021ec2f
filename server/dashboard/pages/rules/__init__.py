"""Rules: which there are, and a form with what they would have fired."""

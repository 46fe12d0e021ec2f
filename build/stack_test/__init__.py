"""Mail with known outcomes through the real programs; each captured event against the truth."""

"""Two to five nodes beside each other."""

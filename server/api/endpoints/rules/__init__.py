"""/rules: rules with their figures, their definitions, and what they would have fired."""

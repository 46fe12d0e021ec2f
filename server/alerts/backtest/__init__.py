"""Back-test of a rule: how often it would have fired lately, by the history that is kept."""

"""The completeness ledger: the numbers of each agent's events that have arrived."""

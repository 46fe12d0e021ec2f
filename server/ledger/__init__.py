"""The completeness ledger: which of the numbers an agent gave its events have arrived."""

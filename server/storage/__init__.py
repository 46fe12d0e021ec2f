"""The write model: rows, levels and ledger in one transaction."""

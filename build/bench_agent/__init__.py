"""`make bench-agent`: what the frozen agent costs a mail node, against the design's budgets."""

"""One node: its readings, programs, ports and agent."""

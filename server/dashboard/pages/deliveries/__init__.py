"""The log of deliveries: what was sent to whom, and whether it arrived."""

"""Evidence of alerts: the metric of their condition over time, and the events behind it."""

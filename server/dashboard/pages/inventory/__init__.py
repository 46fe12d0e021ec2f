"""The lists of all providers, destinations, sending IPs, sending domains and accounts."""

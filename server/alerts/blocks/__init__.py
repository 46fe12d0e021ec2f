"""Blocks: providers that have begun to refuse an IP, a sender, a domain of ours, or everybody."""

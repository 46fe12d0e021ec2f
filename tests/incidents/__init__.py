"""Replay of a history of outbound mail with known incidents through the detection of blocks."""

"""The agent: one program on each mail node. It collects, spools to disk and ships; see cli."""

__version__ = "0.1.0"

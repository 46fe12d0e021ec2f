"""The agent: one program on each mail node. It collects, spools to disk and ships; see cli."""

from pathlib import Path

RELEASE = "0.1.0"


def _read_build() -> str:
    """Return the commit and date it was packed of, from a file that build/package/ makes."""
    try:
        return Path(__file__).with_name("build-id").read_text(encoding="ascii").strip()
    except OSError:
        return "development"


__version__ = f"{RELEASE}+{_read_build()}"

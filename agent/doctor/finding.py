"""One result of a check: a line for a person and, where something is wrong, the fix."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """`level`: a note needs nothing, a warning will matter, a failure matters now."""

    level: Level
    subject: str
    line: str
    fix: str = ""

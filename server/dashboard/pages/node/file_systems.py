"""File systems on the page of one node. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.alerts.nodes import fill_percent, judge_percent
from server.formats import UNKNOWN, byte_size, thousands
from server.metrics.newest import ROOT


@dataclass(frozen=True)
class FileSystem:
    """One local file system, in words."""

    mount_point: str
    type: str
    used: str
    free: str
    inodes_used: str
    inodes_free: str
    level: str


def build_file_systems(readings: Sequence[Mapping[str, Any]]) -> list[FileSystem]:
    """Return them, the fullest first: of bytes or of inodes."""
    ordered = sorted(readings, key=lambda each: (-fill_percent(each), each["mount_point"]))
    return [
        FileSystem(
            mount_point=each["mount_point"],
            type=each["type"],
            used=_percent(each["used_percent"]),
            free=f"{byte_size(each['free_bytes'])} of {byte_size(each['total_bytes'])}",
            inodes_used=_percent(each.get("inodes_used_percent")),
            inodes_free=thousands(each.get("inodes_free_count")),
            level=judge_percent("disk", fill_percent(each)),
        )
        for each in ordered
    ]


def find_forecast_point(readings: Sequence[Mapping[str, Any]]) -> str:
    """Return the mount point of the one with the least space left, the root where none is known."""
    fullest = max(readings, key=lambda each: float(each["used_percent"]), default=None)
    return ROOT if fullest is None else str(fullest["mount_point"])


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f} %"

"""Charts of a node's page, as charts.toml declares them for each kind of samples."""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    reading: str
    name: str
    colour: str = "series-1"
    stroke: str = "solid"


@dataclass(frozen=True)
class Chart:
    """One chart. `top`: the end of its scale, where it has one."""

    id: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    top: float | None = None


def _read_charts() -> dict[str, tuple[Chart, ...]]:
    kinds = tomllib.loads(Path(__file__).with_name("charts.toml").read_text())
    return {
        kind: tuple(
            Chart(**{**chart, "lines": tuple(Line(*line) for line in chart["lines"])})
            for chart in charts
        )
        for kind, charts in kinds.items()
    }


CHARTS = _read_charts()
#: Readings that a heat map or comparison offers: name, unit, and the top of the scale.
COMPARED: dict[str, tuple[str, str, float | None]] = {
    "cpu_percent": ("CPU", "percent", 100.0),
    "ram_used_percent": ("Memory", "percent", 100.0),
    "disk_used_percent": ("Disk", "percent", 100.0),
    "load_1m": ("Load", "load", None),
    "net_rx_bytes_sec": ("Network in", "bytes_s", None),
    "net_tx_bytes_sec": ("Network out", "bytes_s", None),
    "disk_read_bytes_sec": ("Disk read", "bytes_s", None),
    "disk_write_bytes_sec": ("Disk written", "bytes_s", None),
    "tcp_established": ("TCP connections", "count", None),
    "open_files": ("Open files", "count", None),
}


def list_charts(kind: str) -> list[dict[str, Any]]:
    """Return the charts of a kind as the page's script takes them."""
    return [asdict(chart) for chart in CHARTS.get(kind, ())]

"""Charts of a node's page, as charts.toml declares them for each kind of samples."""

import tomllib
from pathlib import Path
from typing import Any

_declared: dict[str, Any] = tomllib.loads(Path(__file__).with_name("charts.toml").read_text())
#: reading → name, unit and, where it has one, the top of the scale.
COMPARED: dict[str, list[Any]] = _declared.pop("compared")
#: Kind of samples → its charts, as the page's script takes them.
CHARTS: dict[str, list[dict[str, Any]]] = _declared

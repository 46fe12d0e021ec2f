"""Compares names that others use with `tests/contract/published_names.json`, or rewrites it."""

import difflib
import json
import os
from collections.abc import Mapping
from typing import Any

from tests.paths import CONTRACT

FILE = CONTRACT / "published_names.json"
REWRITE = "PUBLISHED_NAMES=rewrite make test ARGS='-n0 -k published_names'"


def check(section: str, names: Mapping[str, Any]) -> None:
    """Fail with the difference when names vanished or appeared; write them down on request."""
    pinned = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("PUBLISHED_NAMES") == "rewrite":
        pinned[section] = names
        FILE.write_text(_text(pinned))
        return
    difference = difflib.unified_diff(
        _text(pinned.get(section, {})).splitlines(),
        _text(names).splitlines(),
        "published",
        "now",
        n=2,
        lineterm="",
    )
    text = "\n".join(difference)
    assert not text, (
        f"Published names of {section!r} changed. Others depend on them: give the old name back."
        f" For one that was added or removed on purpose: {REWRITE}\n{text}"
    )


def key_paths(document: Any, prefix: str = "") -> set[str]:
    """Return the dotted path of every key in a JSON document; `[]` stands for the items."""
    paths: set[str] = set()
    if isinstance(document, dict):
        for key, value in document.items():
            path = f"{prefix}.{key}" if prefix else key
            paths |= {path} | key_paths(value, path)
    elif isinstance(document, list):
        for item in document:
            paths |= key_paths(item, f"{prefix}[]")
    return paths


def _text(names: Any) -> str:
    return json.dumps(names, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

"""What every test needs, nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

CONTRACT = Path(__file__).parent / "contract"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares costly fixtures in one process: a file's tests, and all of the browser's."""
    for item in items:
        room = item.path.parent if item.path.parent.name == "browser" else item.path
        item.add_marker(pytest.mark.xdist_group(str(room)))


@pytest.fixture
def golden() -> Any:
    """Read a file of the contract."""
    return lambda name: json.loads((CONTRACT / name).read_text())

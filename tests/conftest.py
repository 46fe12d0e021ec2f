"""What every test needs, nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

CONTRACT = Path(__file__).parent / "contract"


@pytest.fixture
def golden() -> Any:
    """Read a file of the contract."""
    return lambda name: json.loads((CONTRACT / name).read_text())

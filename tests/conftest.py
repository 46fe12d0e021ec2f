"""Fixtures of every test, and how tests are spread over processes."""

import json
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.paths import CONTRACT

# Fixtures of the agent, for its unit and system tests.
pytest_plugins = ["tests.agent_fixtures"]

BROWSER = "tests/system/browser"


class FileScheduling(LoadFileScheduling):
    """Keep what shares costly fixtures in one process: a file's tests, and all of the browser's."""

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return BROWSER if scope.startswith(BROWSER) else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Group tests by a rule: pytest-xdist 3.8 does not see its own marks under pytest 9.2."""
    return FileScheduling(config, log)


@pytest.fixture
def golden() -> Any:
    """Read a file of the contract."""
    return lambda name: json.loads((CONTRACT / name).read_text())

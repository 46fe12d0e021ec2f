"""Fixtures of every test, and how tests are spread over processes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.paths import CONTRACT

# Fixtures of the agent, for its unit and system tests.
pytest_plugins = ["tests.agent_fixtures"]

# A busy machine makes inputs slowly, and runs slowly.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

BROWSER = "tests/system/browser"
#: The longest first: at the end of a run no process is left alone with minutes of work.
ORDER = (BROWSER, "tests/system/lab", "tests/system/e2e", "tests/system", "tests/database", "tests")


class FileScheduling(LoadFileScheduling):
    """Keep what shares costly fixtures in one process: a file's tests, and all of the browser's."""

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return BROWSER if scope.startswith(BROWSER) else scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Group tests by a rule: pytest-xdist 3.8 does not see its own marks under pytest 9.2."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into ORDER; those of a folder stay as pytest-django has them."""
    items.sort(key=lambda item: next(n for n, at in enumerate(ORDER) if item.nodeid.startswith(at)))


@pytest.fixture
def golden() -> Any:
    """Read a file of the contract."""
    return lambda name: json.loads((CONTRACT / name).read_text())

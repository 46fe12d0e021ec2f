"""A receiver on a real unix socket."""

import tempfile
from pathlib import Path

import pytest

from agent.config import Receiver as ReceiverSettings
from agent.events.receiver import Receiver


@pytest.fixture
def directory():
    # Not tmp_path: a unix socket's path may have only 107 characters.
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        yield Path(name)


@pytest.fixture
def receiver(spool, directory, in_thread):
    made = Receiver(spool, ReceiverSettings(), directory, node="mta-01")
    made.open()
    in_thread(made)
    return made

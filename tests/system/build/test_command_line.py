"""manage.py where the database or Redis is away, or the settings are not complete: one line."""

import os
import subprocess
import sys

import pytest

from build.stack.paths import ROOT
from server import __version__

AWAY = {
    "SECRET_KEY": "x",
    "DATABASE_URL": "postgres://mallard:hunter2@127.0.0.1:1/mallard",
    "REDIS_URL": "redis://:hunter2@127.0.0.1:1",
}


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["migrate"],
        ["create_api_key", "--scope", "read", "--name", "x"],
        ["storage"],
        ["rollups", "--verify"],
        ["createsuperuser", "--noinput", "--username", "x", "--email", "x@example.com"],
    ],
)
def test_a_command_without_its_database_says_so_in_one_line(arguments):
    result = manage(*arguments, **AWAY)

    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert line.startswith("manage.py: the database (DATABASE_URL) does not answer: ")
    assert "hunter2" not in line


def test_a_command_without_its_settings_names_the_missing_one_in_one_line():
    result = manage("migrate")

    (line,) = result.stderr.splitlines()
    assert (result.returncode, "SECRET_KEY" in line) == (1, True)


def test_the_version_is_that_of_the_server_with_its_build():
    result = manage("version", **AWAY)

    assert (result.returncode, result.stdout.strip()) == (0, __version__)
    assert __version__.partition("+")[2] == "development"

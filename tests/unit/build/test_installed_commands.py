"""mallard-manage, mallard-agent and mallard-backup: releases side by side, failures in one line."""

import os
import subprocess
from types import SimpleNamespace

import pytest

from tests.rendering import rendering

BACKUP = rendering.ROLES / "mallard_server" / "files" / "mallard-backup"
#: Roles and what makes a folder of releases a release that can start.
COMMANDS = {
    "mallard-manage": ("mallard_server", "venv/.ready"),
    "mallard-agent": ("mallard_agent", "mallard-agent"),
}


def write_program(path, text="exit 0"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(params=COMMANDS)
def machine(request, tmp_path):
    """A machine with two releases; its systemd writes down what it was called with."""
    role, ready = COMMANDS[request.param]
    given = rendering.EXAMPLE | {f"{role}_home": str(tmp_path / "home")}
    files = rendering.render_role(rendering.ROLES / role, given, tasks=("install", "service"))
    script = tmp_path / request.param
    script.write_text(files[f"/usr/local/sbin/{request.param}"].text)
    for release in ("0.1.0", "0.2.0"):
        write_program(tmp_path / "home" / "releases" / release / ready)
    programs = tmp_path / "programs"
    write_program(programs / "id", "echo 0")
    for name in ("systemctl", "systemd-run"):
        write_program(programs / name, f'echo {name} "$@" >>"{tmp_path}/calls"')

    def run(*words):
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        return subprocess.run(
            ["sh", script, *words],
            env={"PATH": path},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def link(name):
        return str((tmp_path / "home" / name).readlink())

    def calls():
        path = tmp_path / "calls"
        return path.read_text() if path.exists() else ""

    return SimpleNamespace(run=run, link=link, calls=calls, programs=programs)


def test_a_release_is_put_in_force_and_the_one_before_stays_at_hand(machine):
    assert machine.run("use", "0.1.0").returncode == 0
    done = machine.run("use", "0.2.0")

    assert (done.returncode, done.stdout) == (0, "0.2.0 is in force, 0.1.0 was before\n")
    assert (machine.link("current"), machine.link("previous")) == (
        "releases/0.2.0",
        "releases/0.1.0",
    )
    assert machine.calls().count("systemctl restart") == 2
    assert "in force: releases/0.2.0, before: releases/0.1.0" in machine.run("releases").stdout


def test_the_way_back_is_one_command_and_can_be_gone_again(machine):
    machine.run("use", "0.1.0")
    machine.run("use", "0.2.0")

    assert machine.run("rollback").returncode == 0
    assert machine.link("current") == "releases/0.1.0"
    assert machine.run("rollback").returncode == 0
    assert machine.link("current") == "releases/0.2.0"


def test_a_release_put_in_force_again_does_not_become_its_own_predecessor(machine):
    machine.run("use", "0.1.0")
    machine.run("use", "0.2.0")
    machine.run("use", "0.2.0")

    assert machine.link("previous") == "releases/0.1.0"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("use", "0.3.0"), "there is no"),
        (("use",), "name a release"),
        (("rollback",), "no release was in force before"),
        (("check",), "there is no"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(machine, words, text):
    done = machine.run(*words)

    assert done.returncode == 1
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert machine.calls() == ""


def test_nobody_but_root_is_let_in(machine):
    write_program(machine.programs / "id", "echo 1000")

    done = machine.run("rollback")

    assert done.returncode == 1
    assert "run it as root" in done.stderr


def back_up(*words, **environment):
    return subprocess.run(
        ["sh", BACKUP, *map(str, words)],
        # Nothing listens on port 1.
        env={"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": "1", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def programs(tmp_path):
    """PostgreSQL's programs, of which psql fails as it does without a server."""
    folder = tmp_path / "programs"
    error = 'connection to server at "127.0.0.1", port 1 failed: Connection refused'
    write_program(folder / "psql", f"echo 'psql: error: {error}' >&2\necho '\tIs it?' >&2\nexit 2")
    for name in ("pg_dump", "pg_restore"):
        write_program(folder / name, "exit 1")
    return os.pathsep.join([str(folder), os.environ["PATH"]])


def test_a_backup_names_what_fails_and_the_remedy_in_one_line(programs, tmp_path):
    (tmp_path / "not.dump").write_text("nonsense")
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for words, text, remedy in [
        (("dump", "--database", "x", "--directory", dumps), "refused", "Does PostgreSQL run?"),
        (("dump", "--database", "x", "--directory", tmp_path / "no"), "/no", "install -d"),
        (("dump", "--database", "x", "--directory"), "--directory", "needs a value"),
        (("verify", tmp_path / "not.dump"), "not a dump", "take an older one"),
        (("verify", tmp_path / "none.dump"), "cannot be read", "sudo -u postgres"),
        (("list", "--directory", tmp_path / "no"), "no directory", "/no"),
    ]:
        done = back_up(*words, PATH=programs)

        assert done.returncode == 1, words
        assert text in done.stderr
        assert remedy in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert list(dumps.iterdir()) == []


def test_a_backup_that_fails_is_an_error_in_the_journal(programs, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as stderr:
        info = os.fstat(stderr.fileno())
        environment = {"PATH": programs, "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
        subprocess.run(
            ["sh", BACKUP, "list", "--directory", tmp_path / "no"],
            env=environment,
            stderr=stderr,
            timeout=30,
            check=False,
        )

    assert log.read_text().startswith("<3>mallard-backup: there is no directory")
    assert back_up("list", "--directory", tmp_path / "no", **environment).stderr.startswith("mall")

"""The commit and date of what is packed."""

import subprocess

import pytest

import agent
import server
from build.package import server_archive
from build.stack.paths import ROOT

SCRIPT = ROOT / "build" / "package" / "build-id.sh"


@pytest.fixture
def run(tmp_path):
    """Run a command in a folder of its own, on a fixed day, and return what it prints."""
    day = "2026-11-30T12:00:00Z"
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day,
    }  # fmt: skip

    def run(*argv):
        return subprocess.run(
            argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    return run


def test_it_is_the_last_commit_of_the_paths_and_says_what_changed_since(tmp_path, run):
    run("git", "init", "--quiet")
    for name in ("agent", "docs"):
        (tmp_path / name).write_text("1")
        run("git", "add", name)
        person = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        run("git", *person, "commit", "--quiet", "-m", name)
    commit = run("git", "log", "-1", "--abbrev=8", "--format=%h", "--", "agent")

    assert run("sh", SCRIPT, "agent") == f"{commit}.2026-11-30"

    (tmp_path / "agent").write_text("2")
    assert run("sh", SCRIPT, "agent") == f"{commit}.2026-11-30.changed"
    assert run("sh", SCRIPT, "--committed", "agent") == f"{commit}.2026-11-30"


def test_a_folder_without_history_has_an_unknown_build(run):
    assert run("sh", SCRIPT, "agent") == "unknown"


def test_the_archive_names_its_commit_and_what_is_packed_reads_it(tmp_path, monkeypatch):
    entries = server_archive.read_sources(vendor=ROOT / "docs" / "images")
    written = entries["server/build-id"].content.decode()

    assert written.strip()
    for package in (server, agent):
        assert package.__version__ == f"{package.RELEASE}+development"
        (tmp_path / "build-id").write_text(written)
        monkeypatch.setattr(package, "__file__", str(tmp_path / "__init__.py"))
        assert package._read_build() == written.strip()


def test_server_and_agent_are_of_the_release_that_the_project_names():
    text = (ROOT / "pyproject.toml").read_text()

    assert f'version = "{server.RELEASE}"' in text
    assert f'version = "{agent.RELEASE}"' in text

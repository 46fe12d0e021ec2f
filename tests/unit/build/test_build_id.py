"""The commit and date of what is packed."""

import importlib
import subprocess

import agent
import server
from build.package import build_id, server_archive
from build.stack.paths import ROOT


def git(folder, *arguments):
    environment = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    person = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    date = {"GIT_AUTHOR_DATE": "2026-11-30T12:00:00Z", "GIT_COMMITTER_DATE": "2026-11-30T12:00:00Z"}
    return subprocess.run(
        ["git", *person, *arguments],
        cwd=folder, env=environment | date | {"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_it_is_the_last_commit_of_the_paths_and_says_what_changed_since(tmp_path, monkeypatch):
    run = build_id.run
    monkeypatch.setattr(build_id, "run", lambda *args, **more: run(*args, cwd=tmp_path, **more))
    git(tmp_path, "init", "--quiet")
    for name in ("agent", "docs"):
        (tmp_path / name).write_text("1")
        git(tmp_path, "add", name)
        git(tmp_path, "commit", "--quiet", "-m", name)
    commit = git(tmp_path, "log", "-1", "--abbrev=8", "--format=%h", "--", "agent")

    assert build_id.read_build_id(["agent"]) == f"{commit}.2026-11-30"

    (tmp_path / "agent").write_text("2")
    assert build_id.read_build_id(["agent"]) == f"{commit}.2026-11-30.changed"
    assert build_id.read_build_id(["agent"], is_committed=True) == f"{commit}.2026-11-30"


def test_a_folder_without_history_has_an_unknown_build(tmp_path, monkeypatch):
    run = build_id.run
    monkeypatch.setattr(build_id, "run", lambda *args, **more: run(*args, cwd=tmp_path, **more))

    assert build_id.read_build_id(["agent"]) == build_id.UNKNOWN


def test_the_archive_names_its_commit_and_the_server_reads_it(tmp_path, monkeypatch):
    entries = server_archive.read_sources(vendor=ROOT / "docs" / "images")
    written = entries["server/build-id"].content.decode()

    assert written == build_id.read_build_id(server_archive.SOURCES, is_committed=True) + "\n"
    for package in (server, agent):
        assert package.__version__ == f"{package.RELEASE}+development"
        (tmp_path / "build-id").write_text(written)
        monkeypatch.setattr(package, "__file__", str(tmp_path / "__init__.py"))
        assert package._read_build() == written.strip()
    assert importlib.import_module("agent.registration").__version__ == agent.__version__


def test_server_and_agent_are_of_the_release_that_the_project_names():
    text = (ROOT / "pyproject.toml").read_text()

    assert f'version = "{server.RELEASE}"' in text
    assert f'version = "{agent.RELEASE}"' in text

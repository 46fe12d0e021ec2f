"""The head of the agent's one file, before a payload that says where it runs."""

import gzip
import io
import os
import subprocess
import tarfile

import pytest

from build.package import freeze

PROGRAM = b'#!/bin/sh\necho "runs in $(dirname "$0")"\n'


@pytest.fixture
def start(tmp_path):
    """Start the file with these variables; return code, output and errors."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("agent")
        info.size, info.mode = len(PROGRAM), 0o755
        archive.addfile(info, io.BytesIO(PROGRAM))
    payload = gzip.compress(raw.getvalue(), mtime=0)
    path = tmp_path / "mallard-agent"
    path.write_bytes(freeze.build_head(payload) + payload)
    path.chmod(0o755)

    def run(place, *, stderr=subprocess.PIPE, **variables):
        return subprocess.run(
            [path],
            env={"PATH": os.environ["PATH"], "MALLARD_AGENT_UNPACK_DIR": str(place), **variables},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=30,
            check=False,
            cwd=tmp_path,
        )

    return run


def test_it_unpacks_into_a_directory_that_is_its_users_alone(start, tmp_path):
    place = tmp_path / "mine"
    place.mkdir(mode=0o755)

    done = start(place)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"runs in {place}/program/agent-")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
@pytest.mark.parametrize("name", ["", "program"])
def test_a_directory_that_others_may_write_to_is_passed_over(start, tmp_path, mode, name):
    place = tmp_path / "open"
    (place / name).mkdir(parents=True)
    (place / name).chmod(mode)

    done = start(place, XDG_CACHE_HOME=str(tmp_path / "cache"))

    # Only where this user has no state directory of an installed agent.
    assert str(place) not in done.stdout
    assert not list(place.rglob("agent-*"))


def test_what_it_reports_has_a_priority_where_it_goes_to_the_journal(start, tmp_path):
    # Nothing can be unpacked below a file.
    (tmp_path / "file").write_text("")
    log = tmp_path / "journal"
    with log.open("w") as stderr:
        info = os.fstat(stderr.fileno())
        journal = {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
        cache = str(tmp_path / "file" / "cache")
        done = start(tmp_path / "file", stderr=stderr, XDG_CACHE_HOME=cache, **journal)
    elsewhere = start(tmp_path / "file", XDG_CACHE_HOME=cache, **journal)

    if done.returncode:  # else /var/lib/mallard-agent serves on this machine
        assert log.read_text().startswith("<3>mallard-agent: there is no directory")
        assert elsewhere.stderr.startswith("mallard-agent: there is no directory")
        assert "chmod go-w" in elsewhere.stderr

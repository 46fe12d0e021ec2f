"""The agent as one file: its contents, the places where it starts, its leftovers.

Made once for the same sources; where the tools for that are missing these tests are skipped,
and fail where CI is set.
"""

import fcntl
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from build.package import freeze
from build.package.freeze import Needs, find_problems, parse_objdump
from build.stack import mongodb
from build.stack.paths import ROOT
from tests.fakes.agent_process import AgentProcess
from tests.programs import run_service
from tests.waiting import until

OBJDUMP = """
agent:     file format elf64-x86-64

Dynamic Section:
  NEEDED               libz.so.1
  NEEDED               libc.so.6
  RUNPATH              $ORIGIN

Version References:
  required from libc.so.6:
    0x09691a75 0x00 05 GLIBC_2.2.5
    0x069691b4 0x00 03 GLIBC_2.34
    0x0d696913 0x00 02 GLIBC_2.3
"""


#: Debian 12's, whose Python needs no symbol above 2.35.
NEWEST_TO_BUILD_ON = (2, 36)


@pytest.fixture(scope="session")
def made_binary():
    """The binary of these sources."""
    _, glibc = platform.libc_ver()
    if "AGENT_PYTHON" not in os.environ and tuple(map(int, glibc.split("."))) > NEWEST_TO_BUILD_ON:
        pytest.skip(f"Python here needs glibc {glibc}: build on Debian 12 or Ubuntu 22.04")
    python = freeze.base_python()
    lacks = freeze.find_missing_tools(python)
    if lacks and not os.environ.get("CI"):
        pytest.skip(f"no binary without {', '.join(lacks)}")
    return freeze.freeze(python, again=False)


@pytest.fixture
def binary(made_binary):
    return made_binary.path


@pytest.fixture
def home():
    # Not tmp_path: a unix socket's path may have only 107 characters.
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        yield Path(name)


def environment(home, **more):
    base = {"PATH": os.environ["PATH"], "HOME": str(home / "nobody"), "NODE_ID": "mta-01"}
    (home / "agent.toml").touch()
    return base | {"AGENT_STATE_DIR": str(home), "AGENT_CONFIG": str(home / "agent.toml")} | more


def call(binary, home, *words, prefix=(), **more):
    return subprocess.run(
        [*prefix, binary, *words],
        env=environment(home, **more),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def list_unpacked(home):
    """Return the names in the folder where the binary unpacks."""
    return sorted(path.name for path in (home / "program").iterdir())


@pytest.fixture
def noexec(home):
    """Words before a command that give it a temporary folder from which nothing runs."""
    folder = home / "noexec"
    folder.mkdir()
    mount = f'mount -t tmpfs -o noexec tmpfs "{folder}" && exec "$@"'
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = ["unshare", *own_user, "--mount", "sh", "-c", mount, "noexec"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no mount of one's own")
    script = folder / "script"
    probe = f'printf "#!/bin/sh\\n" >"{script}"; chmod 755 "{script}"; "{script}"'
    assert subprocess.run([*prefix, "sh", "-c", probe], capture_output=True, check=False).returncode
    return prefix, {"TMPDIR": str(folder)}


# Contents


def test_what_a_file_needs_is_read_from_objdump():
    assert parse_objdump(OBJDUMP) == Needs(frozenset({"libz.so.1", "libc.so.6"}), (2, 34))
    assert parse_objdump("no elf") == Needs(frozenset(), (0,))
    assert parse_objdump(OBJDUMP + "    0x0 0x00 01 GLIBC_ABI_DT_RELR").glibc == (2, 36)


def test_a_newer_symbol_and_a_library_from_elsewhere_are_refused():
    system = frozenset({"libc.so.6", "libz.so.1"})
    good = {"agent": Needs(system, (2, 35))}
    bad = {"a.so": Needs(system, (2, 36)), "b.so": Needs(frozenset({"libodd.so.2"}), (2, 4))}

    assert find_problems(good, present={"libz.so.1"}) == []
    assert find_problems(good, present=set()) == [
        "agent needs libz.so.1, which is neither in the file nor part of glibc"
    ]
    assert find_problems(bad, present={"libz.so.1"}) == [
        "a.so needs GLIBC 2.36, and may need at most 2.35",
        "b.so needs libodd.so.2, which is neither in the file nor part of glibc",
    ]


def test_it_starts_on_the_oldest_supported_system_and_lists_its_contents(made_binary):
    listed = json.loads((freeze.DIST / "mallard-agent.cdx.json").read_text())
    names = {component["name"] for component in listed["components"]}
    digest = hashlib.sha256(made_binary.path.read_bytes()).hexdigest()

    assert made_binary.max_glibc <= (2, 35)
    assert (freeze.DIST / "mallard-agent.sha256").read_text() == f"{digest}  mallard-agent\n"
    assert listed["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert names >= {"cpython", "msgspec", "psutil", "pymongo", "urllib3", "pyinstaller"}
    assert any(name.startswith("libssl") for name in names)
    assert "setuptools" not in names


def test_a_child_gets_the_environment_the_person_had():
    loader = {"LD_LIBRARY_PATH": "/ours", "_PYI_ARCHIVE_FILE": "/ours/agent"}
    program = (
        "import os; print(os.environ.get('LD_LIBRARY_PATH'), '_PYI_ARCHIVE_FILE' in os.environ)"
    )
    hook = (ROOT / "build" / "package" / "frozen_environment.py").read_text()

    def run_hook(**variables):
        return subprocess.run(
            [sys.executable, "-c", f"{hook}\n{program}"],
            env={"PATH": os.environ["PATH"]} | variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    assert run_hook(**loader) == ["None", "False"]
    assert run_hook(**loader, LD_LIBRARY_PATH_ORIG="/theirs") == ["/theirs", "False"]


# Where it starts


WITHOUT_THE_OTHER_HALF = """
import runpy, sys
sys.modules["typing_extensions"] = None
runpy.run_path("build/package/frozen_environment.py")
import msgspec, pymongo
client = pymongo.MongoClient("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=100)
try:
    client.admin.command("ping")
except pymongo.errors.ServerSelectionTimeoutError:
    print(sorted(name for name in sys.modules if name.startswith("pymongo.asynchronous")))
"""


def test_pymongo_does_with_what_stands_in_for_its_other_half():
    done = subprocess.run(
        [sys.executable, "-OO", "-c", WITHOUT_THE_OTHER_HALF],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    names = ["pymongo.asynchronous", "pymongo.asynchronous.helpers"]
    assert done.stdout.strip() == str([*names, "pymongo.asynchronous.mongo_client"]), done.stderr


def test_it_starts_where_the_temporary_folder_runs_nothing(binary, home, noexec):
    prefix, variables = noexec

    result = call(binary, home, "version", prefix=prefix, **variables)

    assert (result.returncode, result.stdout.strip()) == (0, freeze.agent_version()), result.stderr
    assert len(list_unpacked(home)) == 1


def test_once_prints_a_sample_of_this_machine(binary, home):
    result = call(binary, home, "once")

    assert result.returncode == 0, result.stderr
    assert '"node_id": "mta-01"' in result.stdout


def test_a_state_directory_that_runs_nothing_is_passed_over(binary, home, noexec):
    prefix, variables = noexec
    elsewhere = home / "cache"

    result = call(
        binary,
        home,
        "version",
        prefix=prefix,
        AGENT_STATE_DIR=variables["TMPDIR"],
        XDG_CACHE_HOME=str(elsewhere),
    )

    assert result.returncode == 0, result.stderr
    assert list_unpacked(elsewhere / "mallard-agent")


def test_with_no_directory_to_unpack_in_it_says_what_to_do(binary, home):
    (home / "file").touch()

    result = call(binary, home, "version", AGENT_STATE_DIR=str(home / "file"), HOME="")

    assert result.returncode == 1
    assert "MALLARD_AGENT_UNPACK_DIR" in result.stderr


def test_a_directory_of_its_own_for_unpacking_can_be_named(binary, home):
    result = call(binary, home, "once", MALLARD_AGENT_UNPACK_DIR=str(home / "here"))

    assert result.returncode == 0, result.stderr
    assert list_unpacked(home / "here")
    assert not (home / "program").exists()


def test_a_damaged_copy_says_so(binary, home):
    content = bytearray(binary.read_bytes())
    content[-1000] ^= 0xFF
    damaged = home / "damaged"
    damaged.write_bytes(content)
    damaged.chmod(0o755)

    result = call(damaged, home, "version")

    assert result.returncode == 1
    assert "damaged" in result.stderr
    assert list_unpacked(home) == []


def test_many_first_starts_at_once_all_work(binary, home):
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: call(binary, home, "version").returncode, range(6)))

    assert codes == [0] * 6
    assert len(list_unpacked(home)) == 1


# Leftovers


def test_runs_killed_at_any_moment_leave_nothing_after_the_next_start(binary, home):
    for _ in range(6):
        shutil.rmtree(home / "program", ignore_errors=True)
        with subprocess.Popen(
            [binary, "version"],
            env=environment(home),
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as started:
            time.sleep(random.uniform(0.01, 0.5))  # any moment of the kill is tested
            os.killpg(started.pid, signal.SIGKILL)

        assert call(binary, home, "version").returncode == 0
        assert len(list_unpacked(home)) == 1


def test_other_versions_are_removed_unless_they_run(binary, home):
    for name in ("agent-0000", "agent-1111"):
        (home / "program" / name).mkdir(parents=True)
    with (home / "held").open("w"):
        held = os.open(home / "program" / "agent-1111", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_SH)

        call(binary, home, "version")
        while_held = list_unpacked(home)
        os.close(held)
        call(binary, home, "version")

    assert "agent-0000" not in while_held
    assert "agent-1111" in while_held
    assert len(list_unpacked(home)) == 1


# Operation


@pytest.fixture
def run(binary, home):
    started = []

    def begin(url, **variables):
        process = AgentProcess(home, url, program=[binary], **variables)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def test_it_reports_as_one_process_and_ends_on_request(run, fake_server, golden):
    agent = run(fake_server.url)
    events = golden("events_batch.json")["events"]

    until(lambda: agent.post(events) == 202, within_s=60)
    until(lambda: len(fake_server.taken) == len(events))
    until(lambda: fake_server.bodies("/api/v1/metrics/system"))

    assert psutil.Process(agent.process.pid).children() == []
    assert agent.end(signal.SIGTERM) == 0
    assert "Agent stopped." in agent.log_text()
    assert "Traceback" not in agent.log_text()


def test_a_killed_one_starts_again_and_nothing_acknowledged_is_lost(run, fake_server, golden, home):
    events = golden("events_batch.json")["events"]
    agent = run("http://127.0.0.1:1")
    until(lambda: agent.post(events) == 202, within_s=60)
    agent.end(signal.SIGKILL)

    again = run(fake_server.url)
    until(lambda: len(fake_server.taken) == len(events))

    assert len(list_unpacked(home)) == 1
    assert again.end(signal.SIGTERM) == 0


@pytest.mark.stack
def test_it_follows_a_change_stream(run, fake_server, tmp_path):
    with run_service(mongodb.start, tmp_path) as mongo:
        agent = run(fake_server.url, AGENT_ZONEMTA_MONGODB_URI=mongo.uri_of("zone-mta"))

        until(lambda: "Following the change stream" in agent.log_text(), within_s=60)

        assert agent.end(signal.SIGTERM) == 0

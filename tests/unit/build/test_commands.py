"""./mallard, the system's packages, and `python -m build.stack`."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from build.stack.paths import ROOT

UBUNTU = 'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04"\n'
ARCH = 'ID=arch\nPRETTY_NAME="Arch Linux"\n'


MAX_TARGETS = 12


def run(*argv, **environment):
    """Run a command of the checkout to its end."""
    return subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def bare_path(tmp_path):
    """Return a search path of one who is not root, without make, apt-get and sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "dirname", "dpkg-query", "env", "grep", "sed", "sort", "tail"):
        (folder / name).symlink_to(str(shutil.which(name)))
    identity = folder / "id"
    identity.write_text("#!/bin/sh\necho 1000\n")
    identity.chmod(0o755)
    return str(folder)


def test_help_lists_every_target_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    done = run("./mallard", "--help")

    assert done.returncode == 0
    assert {"demo", "check", "test", "stop", "clean", "setup", "lock"} <= targets
    assert len(targets) <= MAX_TARGETS
    assert all(re.search(rf"^ +{target} +\w", done.stdout, re.MULTILINE) for target in targets)


def test_make_without_a_target_says_the_same_as_help():
    assert run("make").stdout == run("./mallard", "help").stdout


def test_an_unknown_command_is_named():
    done = run("./mallard", "dmeo")

    assert done.returncode == 2
    assert "there is no command 'dmeo'" in done.stderr


def test_missing_packages_are_named_to_one_who_may_not_install_them(tmp_path, bare_path):
    release = tmp_path / "os-release"
    release.write_text(UBUNTU)

    done = run(
        "sh", "build/setup/system-packages.sh", "setup", PATH=bare_path, OS_RELEASE=str(release)
    )

    assert done.returncode == 1
    assert "apt-get install make python3.11 python3.11-venv" in done.stderr


def test_another_system_is_refused_with_what_it_lacks(tmp_path, bare_path):
    release = tmp_path / "os-release"
    release.write_text(ARCH)

    done = run(
        "sh", "build/setup/system-packages.sh", "setup", PATH=bare_path, OS_RELEASE=str(release)
    )

    assert done.returncode == 1
    assert "Arch Linux is not Debian 12 or 13 or Ubuntu 22.04 or 24.04" in done.stderr
    assert "make" in done.stderr


def test_nothing_is_installed_where_nothing_is_missing(tmp_path):
    release = tmp_path / "os-release"
    release.write_text(ARCH)

    done = run("sh", "build/setup/system-packages.sh", "setup", OS_RELEASE=str(release))

    assert (done.returncode, done.stderr) == (0, "")


def test_services_named_in_the_environment_are_used_instead():
    script = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    done = run(
        *(sys.executable, "-m", "build.stack", "exec", "postgres", "redis"),
        *("--", sys.executable, "-c", script),
        DATABASE_URL="postgres://elsewhere/db",
        REDIS_URL="redis://elsewhere",
    )

    assert done.stdout == "postgres://elsewhere/db redis://elsewhere\n"


def test_a_part_that_fails_fails_the_whole_while_the_others_still_run():
    done = run("make", "-s", "-k", ".migrations", ".pytest", "python=false", "pytest=echo tested")

    assert done.returncode != 0
    assert "migrations] Error" in done.stderr
    assert "tested" in done.stdout

"""The root file system of the demo's disk incident."""

import subprocess

import pytest

from build import incidents


@pytest.fixture
def small_root(tmp_path):
    """Return the command that runs others with a small root; skip where that is not allowed."""
    argv = incidents.agent_program("disk", tmp_path)
    wrapped = argv[: argv.index(incidents.ROOT_FOLDER) + 1]
    launcher = wrapped[: wrapped.index("sh")]
    if subprocess.run([*launcher, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this account may make no mount namespace")
    return wrapped


def test_it_really_fills_and_everything_else_stays_in_its_place(small_root, tmp_path):
    script = f"""head -c {incidents.FILL_BYTES} /dev/zero > /{incidents.ROOT_FOLDER}/file
df --output=pcent,fstype / | tail -1
touch {tmp_path}/seen
head -c 64M /dev/zero > /{incidents.ROOT_FOLDER}/more"""

    done = subprocess.run(
        [*small_root, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    percent, kind = done.stdout.split()
    assert (int(percent.rstrip("%")) > 95, kind) == (True, "overlay"), done.stderr
    assert "No space left on device" in done.stderr
    assert (tmp_path / "seen").exists()

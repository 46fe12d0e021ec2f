"""The server as one file: its contents, and the same bytes each time."""

import io
import re
import tarfile

import pytest

from build.package import server_archive
from build.package.server_archive import Entry, pack, requirement_line
from build.stack.errors import StackError
from build.stack.paths import ROOT


@pytest.fixture(scope="module")
def sources():
    # Any folder with files serves as the assets.
    return server_archive.read_sources(vendor=ROOT / "docs" / "images")


def test_the_same_contents_give_the_same_bytes_whatever_their_order():
    files = {"b": Entry(b"2"), "a": Entry(b"1", executable=True)}

    assert pack(files) == pack(dict(reversed(files.items())))


def test_files_are_there_with_their_rights_and_nobodys_name():
    raw = pack({"manage.py": Entry(b"#!", executable=True), "x": Entry(b"y")})
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = archive.getmembers()

    assert [(m.name, m.mode, m.uid, m.uname, m.mtime) for m in members] == [
        ("manage.py", 0o755, 0, "", 0),
        ("x", 0o644, 0, "", 0),
    ]


def test_a_server_has_what_it_runs_from_and_no_agent_and_no_test(sources):
    assert {"manage.py", "server/config/wsgi.py", "requirements/server.txt"} <= set(sources)
    assert sources["manage.py"].content.startswith(b"#!")
    assert not [name for name in sources if name.split("/")[0] in ("agent", "tests", "build")]


def test_a_server_has_what_an_installation_by_hand_needs(sources):
    assert {
        "install/server/etc/systemd/system/mallard-web.service",
        "install/server/etc/nginx/sites-available/mallard",
        "install/server/usr/local/sbin/mallard-manage",
        "install/agent/etc/systemd/system/mallard-agent.service",
    } <= set(sources)
    assert sources["install/server/usr/local/sbin/mallard-backup"].executable


def test_the_list_of_contents_has_the_packages_of_the_lock_and_those_browsers_load_parts_of():
    readme = "server/dashboard/static/vendor/licences/README"
    licences = b"echarts 6.1.0, Apache-2.0\n@tabler/core 1.6.1, MIT\n"

    components = {
        each["bom-ref"]: each for each in server_archive.list_contents({readme: Entry(licences)})
    }

    lock = (ROOT / server_archive.LOCK).read_text()
    # Without conditions: those for another Python may not be installed here.
    for name, version in re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", lock, re.MULTILINE):
        assert components[f"pkg:pypi/{name}@{version}"]["properties"]
    assert components["pkg:npm/echarts@6.1.0"]["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    assert components["pkg:npm/%40tabler/core@1.6.1"]["version"] == "1.6.1"
    assert {each["type"] for each in components.values()} == {"library"}


def test_without_the_files_browsers_load_none_is_made():
    with pytest.raises(StackError, match="first"):
        server_archive.read_sources(vendor=ROOT / "docs" / "nothing")


def test_a_wheel_is_required_by_its_own_digest(tmp_path):
    wheel = tmp_path / "django_csp-4.0-py3-none-any.whl"
    wheel.write_bytes(b"")

    assert requirement_line(wheel).startswith(
        "django-csp==4.0 --hash=sha256:e3b0c44298fc1c149afbf4c8"
    )

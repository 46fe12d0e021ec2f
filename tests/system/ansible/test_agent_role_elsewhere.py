"""The role mallard_agent on booted machines of every other system the binary is made for.

Everything that does not depend on the system is tested on Debian 12 in test_agent_role.py.
"""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from build.package.freeze import DIST
from build.stack.paths import ROOT
from tests.system.ansible import machine as machines

PLAYBOOK = ROOT / "ansible" / "playbooks" / "agents.yml"
KEY = "mlrd_0123456789abcdef-of-a-test"
FAKE_SERVER = Path(__file__).with_name("fake_server.py")
#: `systemd-analyze security`, from 0 (closed) to 10; newer systemds look at more.
WORST_EXPOSURE = 2.0


@pytest.fixture(scope="module")
def site(other_mail_node, tmp_path_factory):
    """The role run in check mode, then twice, then in check mode again."""
    node, folder = other_mail_node, tmp_path_factory.mktemp("inventory")
    node.run("tee", "/root/fake_server.py", text=FAKE_SERVER.read_text())
    node.spawn("/usr/bin/python3", "/root/fake_server.py", "/root/requests.log")
    for path in DIST.glob("mallard-agent*"):
        shutil.copy2(path, folder)
    values = {
        **node.host_variables(),
        "mallard_agent_server_url": "http://127.0.0.1:18080",
        "mallard_agent_api_key": KEY,
        "mallard_agent_binary": str(folder / "mallard-agent"),
        "mallard_agent_redis_url": "redis://m:hunter2@127.0.0.1:1",
        "mallard_agent_settings": {"intervals": {"system_s": 2}},
    }
    inventory = machines.write_inventory(
        folder / "hosts.json", {"mallard_agents": {"mta-01": values}}
    )
    runs = SimpleNamespace(
        node=node,
        checked=node.play(PLAYBOOK, inventory, "--check", "--diff"),
        first=node.play(PLAYBOOK, inventory, "--diff"),
        second=node.play(PLAYBOOK, inventory),
        checked_again=node.play(PLAYBOOK, inventory, "--check"),
    )
    if runs.first.code:
        pytest.fail(runs.first.text[-3000:])
    return runs


def test_it_is_installed_and_a_second_run_and_check_mode_find_nothing_to_do(site):
    assert site.checked.code == 0, site.checked.text[-3000:]
    for play in (site.second, site.checked_again):
        assert play.code == 0, play.text[-3000:]
        assert play.changes == []
    assert "hunter2" not in site.first.text


def test_the_agent_runs_without_rights_and_the_door_hears_of_it(site):
    node = site.node
    pid = node.run("systemctl", "show", "--value", "--property=MainPID", "mallard-agent").strip()
    status = node.file(f"/proc/{pid}/status")

    assert node.run("systemctl", "is-active", "mallard-agent").strip() == "active"
    assert re.findall(r"Cap(?:Prm|Eff|Bnd|Amb):\s+(\w+)", status) == ["0" * 16] * 4
    assert re.search(r"Seccomp:\s+2", status)
    node.wait_until(
        "a sample with the key", "grep", "-q", f"system Bearer {KEY}", "/root/requests.log"
    )
    assert node.run("systemctl", "--failed", "--plain", "--no-legend", "--no-pager").strip() == ""


def test_the_unit_leaves_little_open(site):
    output = site.node.run("systemd-analyze", "security", "--no-pager", "mallard-agent.service")
    exposure = float(re.search(r"exposure level for .*: ([0-9.]+)", output)[1])

    assert exposure <= WORST_EXPOSURE, output


def test_root_can_ask_the_agent_as_the_service_sees_things(site):
    output = site.node.run("/usr/local/sbin/mallard-agent", "doctor", check=False)

    assert "http://127.0.0.1:18080 accepts events" in output
    assert "The agent runs and listens at /run/mallard-agent/receiver.sock" in output
    assert "hunter2" not in output

"""The role mallard_agent on a booted Debian: its first run and its second."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from build.package.freeze import DIST
from build.stack.paths import ROOT
from tests.system.ansible import machine as machines

PLAYBOOKS = ROOT / "ansible" / "playbooks"
KEY = "mlrd_0123456789abcdef-of-a-test"
URI_PASSWORD = "hunter2-of-mongodb"
#: With all that a file of variables could read otherwise than it was written.
ODD_PASSWORD = """od'd"$HOME\\n`id` #ü"""
ODD_KEY = "a-token-of-plugins"
SECRETS = (KEY, URI_PASSWORD, ODD_PASSWORD, "hunter2-of-redis", "hunter2-of-wildduck")
FAKE_SERVER = Path(__file__).with_name("fake_server.py")
#: Bits of a score from 0 (closed) to 10; `systemd-analyze security` of Debian 12 gives 1.9.
WORST_EXPOSURE = 2.0


@pytest.fixture(scope="module")
def site(mail_node, tmp_path_factory):
    """The mail node with a ZoneMTA and a Haraka that are only files, and a server inside it."""
    node = mail_node
    node.run("useradd", "--system", "wildduck")
    for folder in ("/etc/zone-mta", "/opt/zone-mta/plugins", "/opt/haraka/config"):
        node.run("mkdir", "-p", folder)
    node.run("tee", "/etc/zone-mta/zonemta.toml", text='[plugins]\n# @include "plugins/*.toml"\n')
    node.run("tee", "/opt/haraka/config/plugins", text="# ours\nspf\nrcpt_to.in_host_file\n")
    for name in ("zone-mta", "haraka"):
        node.run("tee", f"/etc/systemd/system/{name}.service", text=SLEEPER)
        node.run("systemctl", "start", name)
    node.run("tee", "/root/fake_server.py", text=FAKE_SERVER.read_text())
    node.spawn("/usr/bin/python3", "/root/fake_server.py", "/root/requests.log")
    folder = tmp_path_factory.mktemp("inventory")
    # A copy: the one in .dist may be made anew meanwhile.
    for path in DIST.glob("mallard-agent*"):
        shutil.copy2(path, folder)

    def inventory(**more):
        values = {
            **node.host_variables(),
            "mallard_agent_server_url": "http://127.0.0.1:18080",
            "mallard_agent_api_key": KEY,
            "mallard_agent_binary": str(folder / "mallard-agent"),
            "mallard_agent_node_role": "zonemta-outbound",
            "mallard_agent_zonemta_mongodb_uri": f"mongodb://m:{URI_PASSWORD}@127.0.0.1:1/zone-mta",
            "mallard_agent_redis_url": "redis://m:hunter2-of-redis@127.0.0.1:1",
            "mallard_agent_mongodb_uri": "",
            "mallard_agent_rspamd_url": "http://127.0.0.1:1",
            "mallard_agent_rspamd_password": ODD_PASSWORD,
            "mallard_agent_wildduck_token": "hunter2-of-wildduck",
            "mallard_agent_wildduck_metrics_url": "",
            "mallard_agent_ports": [465, 8080],
            "mallard_agent_settings": {"intervals": {"system_s": 2}},
            **more,
        }
        groups = {"mallard_agents": {"mta-01": values}}
        return machines.write_inventory(folder / "hosts.json", groups)

    agents = PLAYBOOKS / "agents.yml"
    before = mail_program_pids(node)
    runs = SimpleNamespace(
        node=node,
        inventory=inventory,
        mail_programs_before=before,
        checked=node.play(agents, inventory(), "--check", "--diff"),
        untouched=node.run("sh", "-c", "ls -d /opt/mallard-agent /etc/mallard-agent", check=False),
        first=node.play(agents, inventory(), "--diff"),
        second=node.play(agents, inventory()),
        checked_again=node.play(agents, inventory(), "--check", "--diff"),
    )
    if runs.first.code:
        pytest.fail(runs.first.text[-3000:])
    return runs


SLEEPER = """[Service]
ExecStart=/bin/sleep infinity
"""


def mail_program_pids(node):
    return [
        node.run("systemctl", "show", "--value", "--property=MainPID", name)
        for name in ("zone-mta", "haraka")
    ]


def release_in_force(node):
    return node.run("readlink", "/opt/mallard-agent/current").strip()


def test_check_mode_on_an_empty_node_fails_nowhere_and_leaves_nothing(site):
    assert site.checked.code == 0, site.checked.text
    assert site.untouched == ""


def test_the_first_run_installs_and_the_second_changes_nothing(site):
    assert site.first.changed > 0
    assert site.second.code == 0
    assert site.second.changes == []
    assert site.second.changed == 0


def test_check_mode_on_an_installed_node_finds_nothing_to_change(site):
    assert site.checked_again.code == 0
    assert site.checked_again.changes == []


def test_the_agent_runs_as_its_own_user_and_the_door_hears_of_it_with_the_key(site):
    node = site.node
    pid = node.run("systemctl", "show", "--value", "--property=MainPID", "mallard-agent").strip()

    assert node.run("systemctl", "is-active", "mallard-agent").strip() == "active"
    assert node.run("systemctl", "is-enabled", "mallard-agent").strip() == "enabled"
    assert node.run("ps", "-o", "user:20=", "-p", pid).strip() == "mallard-agent"
    node.wait_until(
        "a sample with the key", "grep", "-q", f"system Bearer {KEY}", "/root/requests.log"
    )


def test_the_running_agent_has_no_capability_and_can_gain_none(site):
    node = site.node
    pid = node.run("systemctl", "show", "--value", "--property=MainPID", "mallard-agent").strip()
    status = node.file(f"/proc/{pid}/status")

    assert re.findall(r"Cap(?:Prm|Eff|Bnd|Amb):\s+(\w+)", status) == ["0" * 16] * 4
    assert re.search(r"NoNewPrivs:\s+1", status)
    assert re.search(r"Seccomp:\s+2", status)


def test_secrets_are_for_root_alone_and_nowhere_else(site):
    node = site.node

    assert node.run("stat", "-c", "%U:%G %a", "/etc/mallard-agent/secrets.env") == "root:root 600\n"
    assert KEY in node.file("/etc/mallard-agent/secrets.env")
    for secret in SECRETS:
        files = node.run("grep", "-rlF", secret, "/etc/mallard-agent", "/opt", check=False).split()
        assert set(files) <= {"/etc/mallard-agent/secrets.env"}
    # All of them, whichever unit or program wrote: those that read them for a check too.
    journal = node.run("journalctl", "--no-pager", "--output=cat")
    assert not [secret for secret in SECRETS if secret in journal]
    assert node.run("sh", "-c", "ls -A /root/.ansible/tmp") == ""


def test_the_service_gets_each_secret_as_it_is_in_the_vault(site):
    node = site.node
    pid = node.run("systemctl", "show", "--value", "--property=MainPID", "mallard-agent").strip()
    given = dict(line.partition("=")[::2] for line in node.file(f"/proc/{pid}/environ").split("\0"))

    assert given["API_KEY"] == KEY
    assert given["AGENT_DISCOVERY_RSPAMD_PASSWORD"] == ODD_PASSWORD
    assert given["AGENT_DISCOVERY_REDIS_URL"] == "redis://m:hunter2-of-redis@127.0.0.1:1"
    assert given["AGENT_DISCOVERY_MONGODB_URI"] == ""
    assert "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI" not in given


def test_the_agent_says_where_each_address_of_a_program_came_from(site):
    output = site.node.run("/usr/local/sbin/mallard-agent", "check-config")
    shown = {
        line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines() if line.split()
    }

    assert "agent.toml" in shown["discovery.rspamd_url"]
    assert "http://127.0.0.1:1 " in shown["discovery.rspamd_url"]
    assert "agent.toml" in shown["discovery.ports"]
    assert "environment" in shown["discovery.redis_url"]
    assert "default" in shown["discovery.wildduck_api_url"]
    assert not [secret for secret in SECRETS if secret in output]


def test_no_output_of_ansible_holds_a_secret_not_even_with_diffs(site):
    output = "".join(play.text for play in (site.checked, site.first, site.second))

    assert not [secret for secret in SECRETS if secret in output]


def test_the_unit_has_no_fault_and_leaves_little_open(site):
    node = site.node
    unit = "/etc/systemd/system/mallard-agent.service"
    output = node.run("systemd-analyze", "security", "--no-pager", "mallard-agent.service")
    exposure = float(re.search(r"exposure level for .*: ([0-9.]+)", output)[1])

    assert node.run("systemd-analyze", "verify", "--man=no", unit) == ""
    assert exposure <= WORST_EXPOSURE, output


def test_the_plugins_are_there_whole_and_without_their_tests(site):
    for program, folder in (
        ("zone-mta-monitor", "/opt/zone-mta"),
        ("haraka-monitor", "/opt/haraka"),
    ):
        for name in (program, "mallard-shared"):
            source = ROOT / "agent" / "plugins" / name
            wanted = {
                str(path.relative_to(source))
                for path in source.rglob("*")
                if path.is_file() and path.suffix in (".js", ".json") and "test" not in path.parts
            }
            lines = site.node.run(
                "find", f"{folder}/plugins/{name}", "-type", "f", "-printf", "%P\n"
            )
            assert set(lines.split()) == wanted


def test_haraka_hears_the_plugin_first_and_zonemta_reads_its_settings(site):
    lines = site.node.file("/opt/haraka/config/plugins").splitlines()

    assert lines == ["haraka-monitor", "# ours", "spf", "rcpt_to.in_host_file"]
    assert '["zone-mta-monitor"]' in site.node.file("/etc/zone-mta/plugins/mallard.toml")


def test_a_mail_program_may_write_to_the_socket_and_strangers_may_not(site):
    node = site.node
    request = (
        "import socket; s = socket.socket(socket.AF_UNIX);"
        " s.connect('/run/mallard-agent/receiver.sock')"
    )

    node.run("runuser", "-u", "wildduck", "--", "python3", "-c", request)
    with pytest.raises(machines.StackError, match="Permission"):
        node.run("runuser", "-u", "nobody", "--", "python3", "-c", request)
    with pytest.raises(machines.StackError, match="Permission"):
        node.run("runuser", "-u", "wildduck", "--", "ls", "/var/lib/mallard-agent")


def test_mail_programs_are_not_restarted_but_a_notice_says_so(site):
    assert mail_program_pids(site.node) == site.mail_programs_before
    assert "systemctl restart zone-mta" in site.first.text
    assert "systemctl restart haraka" in site.first.text
    assert "systemctl restart" not in site.second.text


def test_root_can_ask_the_agent_as_the_service_sees_things(site):
    output = site.node.run("/usr/local/sbin/mallard-agent", "doctor", check=False)

    assert "http://127.0.0.1:18080 accepts events" in output
    assert "The agent runs and listens at /run/mallard-agent/receiver.sock" in output
    assert KEY not in output


def test_a_wrong_setting_stops_before_the_configuration_is_touched(site):
    before = site.node.file("/etc/mallard-agent/agent.toml")
    play = site.node.play(
        PLAYBOOKS / "agents.yml",
        site.inventory(mallard_agent_settings={"intervals": {"sistem_s": 2}}),
    )

    assert play.code != 0
    assert "Did you mean 'system_s'?" in play.text
    assert site.node.file("/etc/mallard-agent/agent.toml") == before
    assert site.node.run("systemctl", "is-active", "mallard-agent").strip() == "active"


def test_a_wrong_secret_stops_before_the_secrets_are_touched_and_is_not_shown(site):
    before = site.node.file("/etc/mallard-agent/secrets.env")
    play = site.node.play(
        PLAYBOOKS / "agents.yml",
        site.inventory(mallard_agent_zonemta_mongodb_uri=f"mongodb://m:{URI_PASSWORD}@127.0.0.1:1"),
        "-vv",
    )

    assert play.code != 0
    assert "The agent does not take its secrets" in play.text
    assert "AGENT_ZONEMTA_MONGODB_URI" in play.text
    assert not [secret for secret in SECRETS if secret in play.text]
    assert site.node.file("/etc/mallard-agent/secrets.env") == before
    assert site.node.run("systemctl", "is-active", "mallard-agent").strip() == "active"


def test_a_secret_of_two_lines_is_refused_before_anything_is_touched(site):
    play = site.node.play(
        PLAYBOOKS / "agents.yml", site.inventory(mallard_agent_wildduck_token="two\nlines")
    )

    assert play.code != 0
    assert "holds a line break" in play.text
    assert play.changes == []


def test_a_binary_with_another_digest_is_refused(site):
    before = release_in_force(site.node)
    play = site.node.play(
        PLAYBOOKS / "agents.yml",
        site.inventory(mallard_agent_sha256="0" * 64),
    )

    assert play.code != 0
    assert release_in_force(site.node) == before


@pytest.fixture
def newer(tmp_path):
    """Another release: the same program with another comment in its head."""
    binary = tmp_path / "mallard-agent"
    head, _, rest = (DIST / "mallard-agent").read_bytes().partition(b"# Made by ")
    binary.write_bytes(head + b"# For a test made by " + rest)
    binary.chmod(0o755)
    return describe(binary, version="0.2.0")


def describe(binary, *, version):
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    binary.with_name("mallard-agent.sha256").write_text(f"{digest}  mallard-agent\n")
    contents = {"metadata": {"component": {"version": version}}}
    binary.with_name("mallard-agent.cdx.json").write_text(json.dumps(contents))
    return SimpleNamespace(path=binary, release=f"releases/{version}-{digest[:12]}")


def test_an_upgrade_is_rolled_back_by_one_command_and_by_the_tag(site, newer):
    node, agents = site.node, PLAYBOOKS / "agents.yml"
    older = release_in_force(node)
    inventory = site.inventory(mallard_agent_binary=str(newer.path))

    upgrade = node.play(agents, inventory)
    assert upgrade.code == 0, upgrade.text
    assert release_in_force(node) == newer.release

    back = node.play(PLAYBOOKS / "rollback.yml", inventory)
    assert back.code == 0, back.text
    assert release_in_force(node) == older
    assert node.run("systemctl", "is-active", "mallard-agent").strip() == "active"

    forth = node.play(agents, inventory, "--tags", "rollback")
    assert forth.code == 0, forth.text
    assert release_in_force(node) == newer.release

    named = node.play(
        PLAYBOOKS / "rollback.yml", inventory, "-e", f"mallard_agent_rollback_to={Path(older).name}"
    )
    assert named.code == 0, named.text
    assert release_in_force(node) == older


def test_a_release_that_does_not_start_is_taken_back_by_itself(site, tmp_path):
    node = site.node
    older = release_in_force(node)
    before = node.run("readlink", "/opt/mallard-agent/previous")
    binary = tmp_path / "mallard-agent"
    binary.write_text('#!/bin/sh\ncase "$*" in *run) exit 1 ;; esac\n')
    binary.chmod(0o755)
    describe(binary, version="0.3.0")

    play = node.play(PLAYBOOKS / "agents.yml", site.inventory(mallard_agent_binary=str(binary)))

    assert play.code != 0
    assert "is in force again" in play.text
    assert release_in_force(node) == older
    assert node.run("readlink", "/opt/mallard-agent/previous") == before
    assert node.run("systemctl", "is-active", "mallard-agent").strip() == "active"


def test_a_release_is_fetched_by_its_address_and_only_what_was_named(site, newer):
    node, agents = site.node, PLAYBOOKS / "agents.yml"
    older = release_in_force(node)
    content = newer.path.read_bytes().replace(b"# For a test", b"# For another", 1)
    digest = hashlib.sha256(content).hexdigest()
    release = f"releases/0.4.0-{digest[:12]}"
    with node.serving({"mallard-agent-0.4.0": content}) as address:
        named = {
            # Nothing of it is on this side.
            "mallard_agent_binary": "/nonexistent",
            "mallard_agent_binary_url": f"{address}/mallard-agent-0.4.0",
            "mallard_agent_version": "0.4.0",
            "mallard_agent_sha256": digest,
        }

        other = node.play(agents, site.inventory(**{**named, "mallard_agent_sha256": "0" * 64}))
        assert other.code != 0
        assert "checksum" in other.text
        assert release_in_force(node) == older
        assert "mallard-agent" not in node.run(
            "sh", "-c", "ls /opt/mallard-agent/releases/0.4.0-000000000000", check=False
        )

        missing = node.play(
            agents, site.inventory(**{**named, "mallard_agent_binary_url": f"{address}/gone"})
        )
        assert missing.code != 0
        assert "404" in missing.text
        assert release_in_force(node) == older

        would = node.play(agents, site.inventory(**named), "--check", "--diff")
        assert would.code == 0, would.text
        assert release_in_force(node) == older

        done = node.play(agents, site.inventory(**named))
        assert done.code == 0, done.text
        assert release_in_force(node) == release

    # No server has it any more: an installed release is not fetched again.
    again = node.play(agents, site.inventory(**named))
    assert again.code == 0, again.text
    assert again.changes == []

    back = node.play(
        agents,
        site.inventory(**named, mallard_agent_rollback_to=Path(older).name),
        *("--tags", "rollback"),
    )
    assert back.code == 0, back.text
    assert release_in_force(node) == older
    assert node.run("systemctl", "is-active", "mallard-agent").strip() == "active"


def test_only_as_many_releases_stay_as_were_requested_and_those_in_use_always(site):
    node = site.node
    for number in range(3):
        # Younger than the two in use.
        node.run("mkdir", "-p", f"/opt/mallard-agent/releases/0.0.{number}-old")
    in_use = {
        Path(node.run("readlink", f"/opt/mallard-agent/{name}").strip()).name
        for name in ("current", "previous")
    }
    inventory = site.inventory(mallard_agent_keep_releases=2)

    play = node.play(PLAYBOOKS / "agents.yml", inventory)

    assert play.code == 0, play.text
    left = node.run("ls", "/opt/mallard-agent/releases").split()
    assert set(left) == in_use


def test_an_agent_that_hangs_is_killed_and_started_again(site):
    node = site.node
    watchdog = node.run(
        "systemctl", "show", "--value", "--property=WatchdogUSec", "mallard-agent"
    ).strip()

    assert watchdog == "1min"


def test_mail_programs_are_restarted_on_request(site):
    node = site.node
    before = mail_program_pids(node)
    inventory = site.inventory(
        mallard_agent_restart_mail_programs=True,
        mallard_agent_zonemta_options={"bufferEvents": 20000},
        mallard_agent_haraka_options={"url": "http://127.0.0.1:2580/v1/events", "key": ODD_KEY},
    )

    play = node.play(PLAYBOOKS / "agents.yml", inventory, "--tags", "plugins", "--diff")

    assert play.code == 0, play.text
    assert "bufferEvents = 20000" in node.file("/etc/zone-mta/plugins/mallard.toml")
    assert all(old != new for old, new in zip(before, mail_program_pids(node), strict=True))
    # A key among the options is for the mail program alone.
    settings = "/opt/haraka/config/haraka-monitor.ini"
    assert f"key={ODD_KEY}" in node.file(settings)
    assert node.run("stat", "-c", "%U %a", settings) == "wildduck 400\n"
    assert ODD_KEY not in play.text


def test_nothing_listens_on_the_network(site):
    listening = [
        line for line in site.node.file("/proc/net/tcp").splitlines()[1:] if line.split()[3] == "0A"
    ]
    # The fake server of this test, on loopback; the agent only connects.
    assert [line.split()[1] for line in listening if not line.split()[1].endswith(":0016")] == [
        "0100007F:46A0"
    ]


def test_the_console_has_seen_no_unit_fail(site):
    failed = site.node.run("systemctl", "--failed", "--plain", "--no-legend", "--no-pager")
    assert failed.strip() == ""

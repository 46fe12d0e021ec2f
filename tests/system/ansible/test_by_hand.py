"""The commands of docs/install.md and docs/upgrade.md, word by word on a booted Debian 13."""

from types import SimpleNamespace

import pytest

from build.package import server_archive
from build.stack.errors import StackError
from build.stack.paths import DIST, ROOT
from tests import documents

DOMAIN = "mallard.example"
PYTHON = "3.13"  # Debian 13's
WITHIN_S = 600
UNITS = ("mallard-web", "mallard-live", "mallard-worker", "mallard.target", "mallard-backup.timer")
HEALTH = (
    "curl", "--silent", "--show-error", "--fail", "--cacert", "/root/ca.pem",
    "--retry", "20", "--retry-delay", "1", "--retry-all-errors",
    f"https://{DOMAIN}/api/v1/health/ready",
)  # fmt: skip


def commands(document, *words):
    """Return the blocks that are marked with these words, in their order."""
    parsed = documents.parse(document, (ROOT / document).read_text())
    found = [block.text for block in parsed.blocks if block.words == ("sh", "by-hand", *words)]
    assert found, f"{document} has no block marked {words}"
    return found


def follow(node, *blocks):
    """Run blocks in one shell, as a person would, up to the first command that fails."""
    node.put("/root/walk.sh", "\n".join(["set -eux", *blocks]).encode())
    node.run("rm", "-f", "/root/code")
    script = "sh /root/walk.sh >/root/walk.log 2>&1; echo $? >/root/code"
    node.run("systemd-run", "--quiet", "--collect", "--setenv=HOME=/root", "sh", "-c", script)
    node.wait_until("the end of the walk", "test", "-s", "/root/code", within_s=WITHIN_S)
    assert node.file("/root/code") == "0\n", node.file("/root/walk.log")[-4000:]


@pytest.fixture(scope="module")
def site(server_machine):
    """A server installed by hand."""
    files = server_archive.read_sources() | server_archive.collect_wheels([PYTHON])
    server_machine.put("/root/mallard-server.tar.gz", server_archive.pack(files))
    follow(server_machine, *commands("docs/install.md"))
    server_machine.run("sh", "-c", f"echo 127.0.0.1 {DOMAIN} >>/etc/hosts")
    server_machine.run("cp", "/etc/mallard/tls/certificate.pem", "/root/ca.pem")
    return SimpleNamespace(node=server_machine, files=files)


def test_a_server_installed_by_hand_is_ready_behind_tls(site):
    answer = site.node.run(*HEALTH)

    assert '"status":"ready"' in answer.replace(" ", "")
    for unit in (*UNITS, "nginx", "redis-server"):
        assert site.node.run("systemctl", "is-active", unit).strip() == "active"
        assert site.node.run("systemctl", "is-enabled", unit).strip() == "enabled"


def test_its_secrets_are_for_its_user_and_its_sockets_for_nginx(site):
    listed = site.node.run("find", "/etc/mallard/secrets", "-type", "f", "-printf", "%f %u %m\n")
    sockets = site.node.run("stat", "-c", "%U %G %a", "/run/mallard-web", "/run/mallard-live")

    assert sorted(listed.splitlines()) == [
        "database_url mallard 600",
        "redis_url mallard 600",
        "secret_key mallard 600",
    ]
    assert sockets == "mallard www-data 750\n" * 2
    request = ("curl", "--silent", "--unix-socket", "/run/mallard-web/http", "http://x/")
    assert site.node.run("runuser", "-u", "www-data", "--", *request, check=False) != ""
    with pytest.raises(StackError):
        site.node.run("runuser", "-u", "nobody", "--", *request)
    listening = site.node.run("ss", "-ltnH", check=False)
    assert ":8000" not in listening
    assert ":8001" not in listening


def test_the_nightly_dump_works(site):
    site.node.run("systemctl", "start", "mallard-backup.service")

    assert site.node.run("sh", "-c", "ls /var/backups/mallard/*.dump").count("\n") == 1


def test_errors_alone_can_be_read_in_the_journal(site):
    node, errors = site.node, ("journalctl", "-q", "-p", "err", "-o", "cat", "-u")
    wrong = ("/usr/local/sbin/mallard-backup", "list", "--directory", "/none")
    node.run("systemd-run", "--quiet", "--wait", "--unit=wrong", *wrong, check=False)

    assert "mallard-backup: there is no directory /none" in node.run(*errors, "wrong")
    assert node.run(*errors, "mallard-web").strip() == ""
    assert node.run("journalctl", "-q", "-o", "cat", "-u", "mallard-web")


def test_an_agent_installed_by_hand_reports_to_it_and_is_removed(site):
    node = site.node
    manage = "/usr/local/sbin/mallard-manage"
    key = node.run(manage, "create_api_key", "--scope", "agent", "--node", "mta-01", "--name", "x")
    node.put("/root/mallard-agent", (DIST / "mallard-agent").read_bytes())
    node.run("cp", "-R", "/opt/mallard/current/install/agent", "/root/agent")
    install, start = commands("docs/install.md", "agent")
    settings = (
        f"sed -i 's/put-the-key-of-this-node-here/{key.strip()}/' /etc/mallard-agent/secrets.env\n"
        "cp /root/ca.pem /etc/mallard-agent/ca.pem\n"
        "echo 'ca_file = \"/etc/mallard-agent/ca.pem\"' >>/etc/mallard-agent/agent.toml\n"
    )

    follow(node, install, settings, start)

    registered = "SELECT 1 FROM nodes_node WHERE name = 'mta-01' AND registered_at IS NOT NULL"
    node.wait_until(
        "its registration",
        "sh", "-c", f"runuser -u mallard -- psql -tA -c \"{registered}\" | grep -qx 1",
    )  # fmt: skip
    follow(node, *commands("docs/install.md", "agent", "removal"))
    left = "ls -d /opt/mallard-agent /etc/mallard-agent /usr/local/sbin/mallard-agent"
    assert node.run("sh", "-c", left, check=False) == ""


def test_an_upgrade_by_hand_and_the_way_back(site):
    node = site.node
    site.files["CHANGELOG.md"] = server_archive.Entry(b"another release\n")
    node.put("/root/mallard-server.tar.gz", server_archive.pack(site.files))

    follow(node, *commands("docs/upgrade.md", "upgrade"))

    assert node.run("readlink", "/opt/mallard/current").strip() == "releases/0.2.0"
    node.run(*HEALTH)
    node.run("/usr/local/sbin/mallard-manage", "rollback")
    assert node.run("readlink", "/opt/mallard/current").strip() == "releases/0.1.0"
    node.run(*HEALTH)


def test_nothing_is_left_of_a_server_that_was_removed(site):
    node = site.node
    follow(node, *commands("docs/install.md", "removal"))

    left = node.run(
        "find", "/etc", "/opt", "/usr/local", "/run", "/var/lib", "-name", "*mallard*", check=False
    )
    assert [line for line in left.splitlines() if "/systemd/" not in line] == []
    assert node.run("systemctl", "list-units", "--all", "--no-legend", "mallard*").strip() == ""
    for service in ("nginx", "redis-server", "postgresql@17-main"):
        assert node.run("systemctl", "is-active", service).strip() == "active"

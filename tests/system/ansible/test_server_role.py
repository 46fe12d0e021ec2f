"""The role mallard_server on a booted Debian 13: everything of a server on one machine, at work."""

import contextlib
import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from build.package import server_archive
from build.stack.paths import ROOT
from tests.system.ansible import machine as machines
from tests.system.ansible import repository

PLAYBOOKS = ROOT / "ansible" / "playbooks"
SECRET = "a-secret-of-fifty-characters-and-more-only-for-this-test"
DOMAIN = "mallard.example"
PYTHON = "3.13"  # Debian 13's
#: `systemd-analyze security` of Debian 13, from 0 (closed) to 10.
WORST_EXPOSURE = 2.0
UNITS = ("mallard-web", "mallard-live", "mallard-worker")


@pytest.fixture(scope="module")
def site(server_machine, tmp_path_factory):
    """The role run on it: in check mode, then twice, then in check mode again."""
    node, folder = server_machine, tmp_path_factory.mktemp("server")
    archive = server_archive.make([PYTHON], directory=folder)

    def inventory(**more):
        values = {
            **node.host_variables(),
            "mallard_server_domain": DOMAIN,
            "mallard_server_secret_key": SECRET,
            "mallard_server_archive": str(archive),
            "mallard_server_timescaledb_source": "distribution",
            "mallard_server_redis_maxmemory": "64mb",
            "mallard_server_postgresql_memory_mb": 1024,
            "mallard_server_settings": {"INBOX_MAX_BYTES": 16_000_000},
            "mallard_server_tls_self_signed": True,
            **more,
        }
        groups = {"mallard_servers": {"dashboard": values}}
        return machines.write_inventory(folder / "hosts.json", groups)

    playbook = PLAYBOOKS / "server.yml"
    runs = SimpleNamespace(
        node=node,
        inventory=inventory,
        archive=archive,
        checked=node.play(playbook, inventory(), "--check", "--diff"),
        untouched=node.run("sh", "-c", "ls -d /opt/mallard /etc/mallard", check=False),
        first=node.play(playbook, inventory(), "--diff"),
        second=node.play(playbook, inventory()),
        checked_again=node.play(playbook, inventory(), "--check"),
    )
    if runs.first.code:
        pytest.fail(runs.first.text[-4000:])
    return runs


def fetch(node, path, *options, check=True):
    """Return nginx's answer, headers first."""
    return node.run(
        "curl", "--silent", "--show-error", "--include", "--insecure", "--max-time", "30",
        "--resolve", f"{DOMAIN}:443:127.0.0.1", "--resolve", f"{DOMAIN}:80:127.0.0.1",
        *options, path, check=check,
    )  # fmt: skip


def test_check_mode_on_an_empty_machine_fails_nowhere_and_leaves_nothing(site):
    assert site.checked.code == 0, site.checked.text[-3000:]
    assert site.untouched == ""


def test_check_mode_where_not_even_postgresql_is_installed_tells_all_it_would_do(
    bare_machine, tmp_path
):
    # Its digest is all that check mode needs of the archive.
    archive = tmp_path / "mallard-server.tar.gz"
    archive.write_bytes(b"of a test")
    digest = hashlib.sha256(b"of a test").hexdigest()
    archive.with_name(f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}  0.1.0\n")
    values = {
        **bare_machine.host_variables(),
        "mallard_server_domain": DOMAIN,
        "mallard_server_secret_key": SECRET,
        "mallard_server_archive": str(archive),
        "mallard_server_timescaledb_source": "distribution",
        "mallard_server_tls_self_signed": True,
    }
    inventory = machines.write_inventory(
        tmp_path / "hosts.json", {"mallard_servers": {"dashboard": values}}
    )
    bare_machine.run("mkdir", "-p", "/var/lib/apt/periodic")
    bare_machine.run("touch", "/var/lib/apt/periodic/update-success-stamp")

    play = bare_machine.play(PLAYBOOKS / "server.yml", inventory, "--check", "--diff")

    assert play.code == 0, play.text[-3000:]
    assert {
        "mallard_server : Install PostgreSQL with TimescaleDB",
        "mallard_server : Install nginx",
    } <= set(play.changes)
    assert bare_machine.run("sh", "-c", "ls -d /opt/mallard /etc/mallard", check=False) == ""


def test_the_second_run_changes_nothing_and_neither_would_a_third(site):
    assert site.second.code == 0, site.second.text[-3000:]
    assert site.second.changes == []
    assert site.checked_again.code == 0, site.checked_again.text[-3000:]
    assert site.checked_again.changes == []


def test_all_units_run_and_start_at_boot(site):
    for unit in (*UNITS, "mallard.target", "nginx", "redis-server", "mallard-backup.timer"):
        assert site.node.run("systemctl", "is-active", unit).strip() == "active"
        assert site.node.run("systemctl", "is-enabled", unit).strip() == "enabled"


def test_the_units_have_no_fault_and_leave_little_open(site):
    for unit in (*UNITS, "mallard-backup"):
        output = site.node.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
        exposure = float(re.search(r"exposure level for .*: ([0-9.]+)", output)[1])
        assert exposure <= WORST_EXPOSURE, output


def test_no_process_of_the_server_runs_as_root_or_holds_a_capability(site):
    for unit in UNITS:
        pid = site.node.run("systemctl", "show", "--value", "--property=MainPID", unit).strip()
        assert site.node.run("ps", "-o", "user:20=", "-p", pid).strip() == "mallard"
        status = site.node.file(f"/proc/{pid}/status")
        assert re.search(r"CapEff:\s+0+$", status, re.MULTILINE)


def test_secrets_are_files_of_their_own_and_in_no_output(site):
    listed = site.node.run("find", "/etc/mallard/secrets", "-type", "f", "-printf", "%f %u %m\n")

    assert sorted(listed.splitlines()) == [
        "database_url mallard 600",
        "redis_url mallard 600",
        "secret_key mallard 600",
    ]
    assert SECRET not in site.node.file("/etc/mallard/server.env")
    assert SECRET not in "".join(play.text for play in (site.checked, site.first, site.second))


def test_the_set_up_has_no_error_in_the_servers_own_eyes(site):
    site.node.run(
        "/usr/local/sbin/mallard-manage", "check", "--deploy", "--database", "default",
        "--fail-level", "ERROR",
    )  # fmt: skip


def test_people_come_in_by_tls_alone_and_are_kept_there(site):
    plain = fetch(site.node, f"http://{DOMAIN}/login/?next=/")
    login = fetch(site.node, f"https://{DOMAIN}/login/")
    health = fetch(site.node, f"https://{DOMAIN}/api/v1/health")

    assert plain.startswith("HTTP/1.1 308")
    assert f"Location: https://{DOMAIN}/login/?next=/" in plain
    assert re.match(r"HTTP/[12.]+ 200", health)
    for answer in (login, health):
        output = re.findall(r"(?i)\nstrict-transport-security: max-age=31536000", answer)
        assert len(output) == 1


def test_another_name_gets_no_answer(site):
    with pytest.raises(machines.StackError):
        site.node.run("curl", "--silent", "--insecure", "https://127.0.0.1/")


def test_static_files_come_compressed_and_for_ever(site):
    page = fetch(site.node, f"https://{DOMAIN}/", "--location")
    style = re.search(r'href="(/static/[^"]+\.css)"', page)[1]

    answer = fetch(site.node, f"https://{DOMAIN}{style}", "--head", "--compressed")

    assert re.match(r"HTTP/[12.]+ 200", answer)
    assert re.search("(?i)cache-control: .*immutable", answer)


def test_an_event_goes_the_whole_way_into_the_database(site):
    node = site.node
    key = node.run(
        "/usr/local/sbin/mallard-manage", "create_api_key", "--node", "mta-01", "--name", "a test"
    ).strip()
    batch = json.loads((ROOT / "tests" / "contract" / "events_batch.json").read_text())
    event = batch["events"][0] | {"mta_node": "mta-01"}
    now = node.run("date", "-u", "+%Y-%m-%dT%H:%M:%SZ").strip()
    body = json.dumps([event | {"occurred_at": now}])

    answer = fetch(
        node, f"https://{DOMAIN}/api/v1/events/ingest", "--header", f"Authorization: Bearer {key}",
        "--header", "Content-Type: application/json", "--data", body,
    )  # fmt: skip

    assert re.match(r"HTTP/[12.]+ 202", answer), answer
    node.wait_until(
        "the event in the database",
        "sh", "-c",
        "runuser -u mallard -- psql -tA -c 'SELECT count(*) FROM email_events' | grep -qx 1",
    )  # fmt: skip


def test_the_socket_of_live_pages_reaches_the_live_process(site):
    # Without a login it is closed with a reason, by the live process and not by nginx.
    answer = fetch(
        site.node, f"https://{DOMAIN}/ws/live/", "--http1.1",
        "--header", "Connection: Upgrade", "--header", "Upgrade: websocket",
        "--header", "Sec-WebSocket-Version: 13",
        "--header", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "--header", f"Origin: https://{DOMAIN}",
        check=False,  # a socket is nothing curl would go on with
    )  # fmt: skip

    assert answer.startswith("HTTP/1.1 101"), answer


def test_the_first_run_says_how_the_first_user_is_made(site):
    assert "mallard-manage createsuperuser" in site.first.text


def test_the_timers_unit_dumps_the_database(site):
    node = site.node
    node.run("systemctl", "start", "mallard-backup.service")
    [dump] = node.run("sh", "-c", "ls /var/backups/mallard/*.dump").split()

    assert node.run("stat", "-c", "%U %a", dump) == "postgres 600\n"
    node.run(
        "runuser", "-u", "postgres", "--", "/usr/local/sbin/mallard-backup", "restore",
        "--database", "again", dump,
    )  # fmt: skip
    counted = node.run(
        "runuser", "-u", "postgres", "--", "psql", "-tA", "again", "-c",
        "SELECT count(*) FROM django_migrations",
    )  # fmt: skip
    assert int(counted) > 10


def release_in_force(node):
    return node.run("readlink", "/opt/mallard/current").strip()


def changed_archive(site, folder, *, text=b"another release\n", broken=False):
    """Write an archive of another release."""
    files = server_archive.read_sources() | server_archive.collect_wheels([PYTHON])
    files["CHANGELOG.md"] = server_archive.Entry(text)
    if broken:
        fault = server_archive.Entry(b"raise RuntimeError('of a test')\n")
        files["server/config/wsgi.py"] = fault
    content = server_archive.pack(files)
    path = folder / server_archive.NAME
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}  0.2.0\n")
    return path


def test_an_upgrade_and_the_way_back(site, tmp_path):
    node, older = site.node, release_in_force(site.node)
    inventory = site.inventory(mallard_server_archive=str(changed_archive(site, tmp_path)))

    upgrade = node.play(PLAYBOOKS / "server.yml", inventory)
    assert upgrade.code == 0, upgrade.text[-3000:]
    assert Path(release_in_force(node)).name.startswith("0.2.0-")

    back = node.play(PLAYBOOKS / "rollback.yml", inventory, "--tags", "server")
    assert back.code == 0, back.text[-3000:]
    assert release_in_force(node) == older
    node.wait_until(
        "the server's answer",
        "curl", "--fail", "--silent", "--insecure", "--resolve", f"{DOMAIN}:443:127.0.0.1",
        f"https://{DOMAIN}/api/v1/health",
    )  # fmt: skip


def test_a_release_is_fetched_by_its_address_and_only_what_was_named(site, tmp_path):
    node, older = site.node, release_in_force(site.node)
    content = changed_archive(site, tmp_path, text=b"a release from elsewhere\n").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with node.serving({"mallard-server.tar.gz": content}) as address:
        named = {
            # Nothing of it is on this side.
            "mallard_server_archive": "/nonexistent",
            "mallard_server_archive_url": f"{address}/mallard-server.tar.gz",
            "mallard_server_version": "0.3.0",
            "mallard_server_sha256": digest,
        }

        other = node.play(
            PLAYBOOKS / "server.yml",
            site.inventory(**{**named, "mallard_server_sha256": "0" * 64}),
            *("--tags", "install"),
        )
        assert other.code != 0
        assert "checksum" in other.text
        assert release_in_force(node) == older

        done = node.play(PLAYBOOKS / "server.yml", site.inventory(**named))
        assert done.code == 0, done.text[-3000:]
        assert Path(release_in_force(node)).name == f"0.3.0-{digest[:12]}"

    again = node.play(PLAYBOOKS / "server.yml", site.inventory(**named))
    assert again.code == 0, again.text[-3000:]
    assert again.changes == []


def test_a_release_that_does_not_answer_is_taken_back_by_itself(site, tmp_path):
    node, older = site.node, release_in_force(site.node)
    archive = changed_archive(site, tmp_path, broken=True)

    play = node.play(PLAYBOOKS / "server.yml", site.inventory(mallard_server_archive=str(archive)))

    assert play.code != 0
    assert "is in force again" in play.text
    assert release_in_force(node) == older
    node.wait_until(
        "the server's answer",
        "curl", "--fail", "--silent", "--insecure", "--resolve", f"{DOMAIN}:443:127.0.0.1",
        f"https://{DOMAIN}/api/v1/health",
    )  # fmt: skip


def test_packages_of_other_repositories_are_taken_as_their_keys_sign_them(site, tmp_path):
    # Not PostgreSQL's and Timescale's own, which cannot be reached here: of the same layout and
    # names, and the contents of Timescale's package are Debian's.
    node = site.node
    with contextlib.closing(repository.Repository(tmp_path)) as made:
        needs = "postgresql-17, postgresql-17-timescaledb"
        packages = {"timescaledb-2-postgresql-17": ("2.99.0~debian13-1700", needs)}
        files = {
            **made.suite("trixie-pgdg", {}),
            **made.suite("trixie", packages),
            "key.asc": made.key,
        }
    # No other repository can be reached from the machine.
    node.run("sh", "-c", "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    with node.serving(files) as address:
        mirrors = {
            "mallard_server_timescaledb_source": "timescale",
            "mallard_server_postgresql_repository": address,
            "mallard_server_postgresql_repository_key": f"{address}/key.asc",
            "mallard_server_postgresql_repository_fingerprint": made.fingerprint,
            "mallard_server_timescale_repository": address,
            "mallard_server_timescale_repository_key": f"{address}/key.asc",
        }
        # Timescale's own is named still, and this is another.
        other = node.play(
            PLAYBOOKS / "server.yml", site.inventory(**mirrors), "--tags", "postgresql"
        )
        trusted = node.run("ls", "/etc/apt/keyrings")
        mirrors["mallard_server_timescale_repository_fingerprint"] = made.fingerprint
        inventory = site.inventory(**mirrors)
        would = node.play(PLAYBOOKS / "server.yml", inventory, "--tags", "postgresql", "--check")
        done = node.play(PLAYBOOKS / "server.yml", inventory, "--tags", "postgresql")
        again = node.play(PLAYBOOKS / "server.yml", inventory, "--tags", "postgresql")

    assert other.code != 0
    assert "not the one that was named" in other.text
    assert trusted == ""
    assert would.code == 0, would.text[-3000:]
    assert done.code == 0, done.text[-3000:]
    assert again.code == 0, again.text[-3000:]
    assert again.changes == []
    version = node.run("dpkg-query", "-W", "-f", "${Version}", "timescaledb-2-postgresql-17")
    assert version == "2.99.0~debian13-1700"


def test_no_unit_has_failed(site):
    failed = site.node.run("systemctl", "--failed", "--plain", "--no-legend", "--no-pager")
    assert failed.strip() == ""

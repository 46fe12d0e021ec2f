"""The files of the Ansible roles, rendered for an installation by hand."""

import configparser
import re

import pytest
from jinja2 import UndefinedError

from build.stack.paths import ROOT
from tests.rendering import rendering

UNITS = ("mallard-web.service", "mallard-live.service", "mallard-worker.service")


@pytest.fixture(scope="module")
def files():
    return {
        f"{machine}{path}": file
        for machine, (role, tasks) in rendering.MACHINES.items()
        for path, file in render(role, tasks=tasks).items()
    }


def render(role, *, tasks=(), **given):
    return rendering.render_role(rendering.ROLES / role, rendering.EXAMPLE | given, tasks=tasks)


def test_all_files_of_a_server_are_there_and_those_an_agent_has(files):
    units = (*UNITS, "mallard.target", "mallard-backup.service", "mallard-backup.timer")
    server = {f"/etc/systemd/system/{unit}" for unit in units} | {
        "/etc/mallard/server.env",
        "/etc/nginx/sites-available/mallard",
        "/etc/postgresql/17/main/conf.d/50-mallard.conf",
        "/etc/postgresql/17/main/conf.d/51-mallard-sizes.conf",
        "/etc/redis/mallard.conf",
        "/etc/redis/mallard-local.conf",
        "/etc/sysctl.d/60-mallard-redis.conf",
        "/usr/local/sbin/mallard-backup",
        "/usr/local/sbin/mallard-manage",
    }
    agent = {
        "/etc/mallard-agent/agent.toml",
        "/etc/mallard-agent/secrets.env",
        "/etc/systemd/system/mallard-agent.service",
        "/usr/local/sbin/mallard-agent",
    }

    assert set(files) == {f"server{path}" for path in server} | {f"agent{path}" for path in agent}


def test_nothing_is_left_to_fill_in_but_the_names_of_an_installation(files):
    for name, file in files.items():
        assert "{{" not in file.text, name
        assert "{%" not in file.text, name
        assert "/nonexistent/" not in file.text, name


def test_commands_may_be_executed_and_what_may_hold_a_secret_is_not_for_all(files):
    for name, file in files.items():
        assert (file.mode == 0o755) == ("/sbin/" in name)
        assert file.text.startswith("#!/bin/sh\n") == (file.mode == 0o755)
    [secrets] = [file for name, file in files.items() if name.endswith("secrets.env")]
    assert secrets.mode == 0o600
    assert files["server/etc/redis/mallard-local.conf"].mode == 0o640


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_starts_what_a_release_has(files, unit):
    text = files[f"server/etc/systemd/system/{unit}"].text
    parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parsed.optionxform = str
    parsed.read_string(text)

    program, *words = parsed["Service"]["ExecStart"].split()
    assert program.startswith("/opt/mallard/current/venv/bin/")
    assert (ROOT / ".venv" / "bin" / program.rpartition("/")[2]).exists()
    assert words[0] == "manage.py" or re.fullmatch(r"server\.config\.\w+:application", words[-1])
    assert parsed["Service"]["User"] == "mallard"


def test_nginx_reaches_the_processes_where_their_units_listen(files):
    site = files["server/etc/nginx/sites-available/mallard"].text

    for unit in UNITS[:2]:
        text = files[f"server/etc/systemd/system/{unit}"].text
        socket = re.search(r"--uds (\S+)", text)[1]
        assert f"server unix:{socket};" in site
        folder = re.search(r"^RuntimeDirectory=(.+)$", text, re.MULTILINE)[1]
        assert socket.startswith(f"/run/{folder}/")
        # Whoever opens it is believed: its folder is for nginx's group and the server alone.
        assert "RuntimeDirectoryMode=0750" in text
        assert f"chgrp www-data /run/{folder}" in text


def test_with_another_proxy_the_processes_listen_on_loopback():
    files = render("mallard_server", tasks=("service",), mallard_server_nginx=False)

    web = files["/etc/systemd/system/mallard-web.service"].text
    assert "--host 127.0.0.1 --port 8000" in web
    assert "RuntimeDirectory" not in web


def test_every_server_of_the_site_speaks_todays_tls_alone(files):
    site = files["server/etc/nginx/sites-available/mallard"].text
    servers = [part for part in site.split("\nserver {") if re.search(r"listen 443 ssl", part)]

    assert len(servers) == 2
    for server in servers:
        assert "ssl_protocols TLSv1.2 TLSv1.3;" in server
        assert re.search(r"ssl_ciphers ECDHE-[A-Z0-9:-]+;", server)
        assert "ssl_session_tickets off;" in server


@pytest.mark.parametrize(
    ("request_line", "is_logged"),
    [
        ("POST /api/v1/events/ingest 202", False),
        ("POST /api/v1/metrics/system 202", False),
        ("POST /api/v1/events/ingest 401", True),
        ("POST /api/v1/metrics/redis 503", True),
        ("GET /api/v1/nodes 200", True),
        ("POST /login/ 200", True),
    ],
)
def test_the_access_log_has_all_but_what_was_taken_in(files, request_line, is_logged):
    site = files["server/etc/nginx/sites-available/mallard"].text
    pattern = re.search(r'map "\$request_method \$uri \$status" .*\n\s+"~(.+)" 0;', site)[1]

    assert (re.search(pattern, request_line) is None) == is_logged
    assert "access_log /var/log/nginx/access.log combined if=$mallard_is_logged;" in site


def test_a_variable_that_nobody_gave_is_named(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "templates").mkdir()
    for name in ("defaults", "vars"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.yml").write_text("---\n")
    (tmp_path / "templates" / "x.j2").write_text("{{ of_nobody }}\n")
    (tmp_path / "tasks" / "main.yml").write_text(
        "- ansible.builtin.template: {src: x.j2, dest: /etc/x, mode: '0644'}\n"
    )

    with pytest.raises(UndefinedError, match="of_nobody"):
        rendering.render_role(tmp_path, {})

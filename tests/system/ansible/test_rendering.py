"""Files rendered for an installation by hand, compared with Ansible's own."""

import json
import os

import pytest

from build.stack.command import run
from build.stack.packages import install_python
from tests.rendering import rendering

TEMPLATES = {
    "mallard_server": {
        "nginx.conf.j2": "/etc/nginx/sites-available/mallard",
        "server.env.j2": "/etc/mallard/server.env",
        "postgresql-sizes.conf.j2": "/etc/postgresql/17/main/conf.d/51-mallard-sizes.conf",
        "mallard-manage.sh.j2": "/usr/local/sbin/mallard-manage",
        "mallard-backup.service.j2": "/etc/systemd/system/mallard-backup.service",
    },
    "mallard_agent": {
        "agent.toml.j2": "/etc/mallard-agent/agent.toml",
        "secrets.env.j2": "/etc/mallard-agent/secrets.env",
        "mallard-agent.service.j2": "/etc/systemd/system/mallard-agent.service",
    },
}


@pytest.mark.parametrize("role", TEMPLATES)
def test_the_rendered_files_are_those_of_ansible(role, tmp_path):
    templates = rendering.ROLES / role / "templates"
    tasks = [
        {"ansible.builtin.template": {"src": f"{templates}/{name}", "dest": f"{tmp_path}/{name}"}}
        for name in TEMPLATES[role]
    ]
    if role == "mallard_server":
        unit = {
            "src": f"{templates}/mallard.service.j2",
            "dest": f"{tmp_path}/mallard-{{{{ item.name }}}}.service",
        }
        tasks += [{"ansible.builtin.template": unit, "loop": "{{ __mallard_server_units }}"}]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "vars_files": [
            f"{rendering.ROLES}/{role}/defaults/main.yml",
            f"{rendering.ROLES}/{role}/vars/main.yml",
        ],
        "tasks": tasks,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([play]))
    programs = install_python("ansible") / "bin"
    # It gathers no facts and names itself in the files.
    given = {name: text for name, text in rendering.EXAMPLE.items() if "ansible" not in name}
    given |= {"mallard_server_secret_key": "in no file of these"}

    run(
        [
            programs / "ansible-playbook",
            *("--inventory", "localhost,", playbook, "--extra-vars", json.dumps(given)),
        ],
        environment={
            "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
    )

    written = {path: (tmp_path / name).read_text() for name, path in TEMPLATES[role].items()}
    written |= {
        f"/etc/systemd/system/{path.name}": path.read_text() for path in tmp_path.glob("*.service")
    }
    machine = rendering.MACHINES[role.removeprefix("mallard_")]
    rendered = rendering.render_role(rendering.ROLES / role, rendering.EXAMPLE, tasks=machine[1])
    for path, text in written.items():
        expected = text.replace("Ansible managed", rendering.EXAMPLE["ansible_managed"])
        assert rendered[path].text == expected

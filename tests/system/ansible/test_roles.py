"""Form and completeness of the roles, seen without a machine."""

import os
import re

import msgspec
import pytest
import yaml

from agent.config.load import SECRETS
from agent.config.settings import Discovery, environment_names
from build.stack.command import run
from build.stack.packages import install_python
from build.stack.paths import ROOT

ROLES = ROOT / "ansible" / "roles"
PLUGINS = ROOT / "agent" / "plugins"


def read(path):
    return yaml.safe_load((ROLES / path).read_text())


@pytest.mark.parametrize(
    "command",
    [("yamllint", "--strict", "."), ("ansible-lint", "--offline", "--nocolor", "-q")],
    ids=lambda command: command[0],
)
def test_the_linters_find_nothing(command):
    programs = install_python("ansible") / "bin"
    path = os.pathsep.join([str(programs), os.environ.get("PATH", "")])
    environment = {"PATH": path, "ANSIBLE_LOCAL_TEMP": str(programs.parent / "tmp")}

    run([programs / command[0], *command[1:]], cwd=ROOT / "ansible", environment=environment)


@pytest.mark.parametrize("role", ["mallard_agent", "mallard_server"])
def test_every_variable_is_described_and_has_a_default_or_must_be_given(role):
    options = read(f"{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    required = {name for name, option in options.items() if option.get("required")}

    assert set(options) - required == set(read(f"{role}/defaults/main.yml"))


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        ("__mallard_agent_zonemta_files", "zone-mta-monitor"),
        ("__mallard_agent_haraka_files", "haraka-monitor"),
        ("__mallard_agent_shared_files", "mallard-shared"),
    ],
)
def test_every_file_of_a_plugin_is_copied(names, folder):
    wanted = {
        f"{folder}/{path.relative_to(PLUGINS / folder)}"
        for path in (PLUGINS / folder).rglob("*")
        if path.suffix in (".js", ".json") and "test" not in path.parts
    }

    assert set(read("mallard_agent/vars/main.yml")[names]) == wanted


def test_every_program_the_agent_asks_and_every_secret_has_a_variable_of_the_role():
    names = {"_".join(path): name for name, path in environment_names().items()}
    secrets = {"_".join(path) for path in SECRETS}
    wanted = {f"discovery_{field.name}" for field in msgspec.structs.fields(Discovery)} | secrets
    role = read("mallard_agent/vars/main.yml")
    text = role["__mallard_agent_secrets_given"] + role["__mallard_agent_tables_given"]

    for setting in wanted:
        name = setting.removeprefix("discovery_").removeprefix("backend_")
        assert re.search(rf"mallard_agent_{name}\b", text), f"{setting} has no variable"
        assert (f"'{names[setting]}'" in text) is (setting in secrets)


def test_whatever_may_hold_a_secret_is_kept_out_of_output():
    given = read("mallard_agent/vars/main.yml")["__mallard_agent_secrets_given"]
    options = read("mallard_agent/meta/argument_specs.yml")["argument_specs"]["main"]["options"]

    for name in re.findall(r"\bmallard_agent_\w+", given):
        assert options[name].get("no_log"), f"{name} may appear in output"


def test_the_example_is_a_cluster_of_15_nodes_with_a_key_each():
    example = ROOT / "ansible" / "inventories" / "example"
    groups = yaml.safe_load((example / "hosts.yml").read_text())["all"]["children"]
    nodes = {
        host.partition(".")[0]
        for group in groups["mallard_agents"]["children"].values()
        for host in group["hosts"]
    }
    vault = yaml.safe_load(
        (example / "group_vars" / "mallard_agents" / "vault.example.yml").read_text()
    )

    assert len(nodes) == 15
    assert set(vault["vault_mallard_agent_api_keys"]) == nodes

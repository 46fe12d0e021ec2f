"""Files that the roles put on a machine, rendered with their defaults: rendering.py FOLDER.

An installation by hand gets with them what the roles write (docs/install.md); the server archive
holds them. Only what these roles use of Ansible is understood here, and
tests/system/ansible/test_rendering.py compares with Ansible itself.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from jinja2.nativetypes import NativeEnvironment
from jinja2.runtime import Context

ROLES = Path(__file__).parent / "roles"
#: What an installation by hand replaces, and what the roles ask of a machine.
EXAMPLE = {
    "ansible_managed": "From Mallard's server archive; docs/install.md",
    "ansible_facts": {"distribution": "Debian", "memtotal_mb": 8192},
    # The files of the machine that runs Ansible are not for here.
    "playbook_dir": "/nonexistent",
    "inventory_hostname": "mta-01",
    "mallard_server_domain": "mallard.example",
    "mallard_server_timescaledb_source": "distribution",
    # Directives that every nginx of a supported system reads.
    "__mallard_server_nginx": "1.18",
    "mallard_agent_server_url": "https://mallard.example",
    "mallard_agent_api_key": "put-the-key-of-this-node-here",
}
#: By machine: the role, and its lists of tasks; all of them when none is named.
MACHINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "server": ("mallard_server", ()),
    # The plugins have instructions of their own.
    "agent": ("mallard_agent", ("configure", "service")),
}
#: The modules that put a file in place, and the folder of a role that their sources are in.
FOLDERS = {"ansible.builtin.template": "templates", "ansible.builtin.copy": "files"}
Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """A file and its mode."""

    text: str
    mode: int


Files = dict[str, Rendered]


def render_role(role: Path, given: Variables, *, tasks: tuple[str, ...] = ()) -> Files:
    """Return the files that a role writes where `given` holds, by their paths on the machine.

    `tasks`: the names of the role's lists of tasks to look at; all of them when empty. Secrets and
    what is not of the role itself are left out. Raise UndefinedError when a variable has no value.
    """
    variables = (
        _read(role / "defaults" / "main.yml") | _read(role / "vars" / "main.yml") | dict(given)
    )
    files: Files = {}
    for path in sorted((role / "tasks").glob("*.yml")):
        if not tasks or path.stem in tasks:
            for task in _flatten(yaml.safe_load(path.read_text())):
                files |= _render_task(role, task, variables)
    return files


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()) or {})


def _flatten(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield from _flatten(task["block"]) if "block" in task else [task]


def _render_task(role: Path, task: dict[str, Any], variables: Variables) -> Files:
    module = next((module for module in FOLDERS if module in task), "")
    if not module or not _may_hold(task.get("when", []), variables):
        return {}
    folder, arguments = role / FOLDERS[module], task[module]
    files = {}
    for item in _value(task.get("loop", [None]), variables):
        known = {**task.get("vars", {}), **variables, "item": item}
        if "content" in arguments and not task.get("no_log"):
            content = str(_value(arguments["content"], known))
        elif (folder / (source := str(_value(arguments.get("src", ""), known)))).is_file():
            # A path from the machine that runs Ansible is absolute, and nothing of the role.
            if Path(source).is_absolute():
                continue
            text = (folder / source).read_text()
            content = _render(folder, source, known) if "template" in module else text
        else:
            continue
        mode = int(arguments["mode"], 8)
        files[str(_value(arguments["dest"], known))] = Rendered(content, mode)
    return files


def _may_hold(conditions: str | list[str], variables: Variables) -> bool:
    """Return whether none of the conditions is known to be false: results of tasks are unknown."""
    for condition in [conditions] if isinstance(conditions, str) else conditions:
        try:
            if not _value(f"{{{{ {condition} }}}}", variables):
                return False
        except UndefinedError:
            continue
    return True


class _Lazy(Context):
    """Renders a variable when it is used: many name others, or facts that nothing here has."""

    def resolve_or_missing(self, key: str) -> Any:
        return _value(super().resolve_or_missing(key), self.get_all())


def _environment(kind: type[Environment], folder: Path | None = None) -> Environment:
    environment = kind(
        loader=FileSystemLoader(folder) if folder else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.context_class = _Lazy
    environment.filters["to_json"] = json.dumps
    environment.filters["combine"] = lambda first, second, recursive=False: {**first, **second}
    environment.filters["dict2items"] = lambda value: [
        {"key": key, "value": each} for key, each in value.items()
    ]
    environment.filters["urlsplit"] = lambda value, part: getattr(urlsplit(value), part)
    environment.tests["version"] = lambda value, other, sign: _compare(
        _numbers(value), sign, _numbers(other)
    )
    return environment


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version).split("."))


def _compare(one: tuple[int, ...], sign: str, other: tuple[int, ...]) -> bool:
    return {">=": one >= other, "<": one < other}[sign]


def _value(value: Any, variables: Variables) -> Any:
    """Return a value of YAML with its expressions replaced by what they are."""
    if isinstance(value, dict):
        return {key: _value(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_value(each, variables) for each in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    return _environment(NativeEnvironment).from_string(value.strip()).render(variables)


def _render(folder: Path, source: str, variables: Variables) -> str:
    return _environment(Environment, folder).get_template(source).render(variables)


def main() -> None:
    """Write the files of each machine below the folder, with their modes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    for machine, (role, tasks) in MACHINES.items():
        for path, file in render_role(ROLES / role, EXAMPLE, tasks=tasks).items():
            target = folder / machine / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text)
            target.chmod(file.mode)


if __name__ == "__main__":
    main()

"""Names that others use stay: JSON fields, URLs, settings, commands, units, variables.

Each test collects the names from the running program, so that moving code changes nothing here.
Tables, permissions and metrics are in tests/database/test_published_names.py.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern, URLResolver, get_resolver

from agent.cli import main as agent_main
from agent.config import Config
from agent.config import load as load_config
from agent.errors import ConfigError
from tests.paths import CONTRACT
from tests.published import FILE, check, key_paths

ROOT = Path(settings.BASE_DIR)


def routes(
    patterns: Iterable[Any], prefix: str = "/", namespace: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield path and name of every route; the name is empty where there is none."""
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from routes(pattern.url_patterns, path, inner)
        elif isinstance(pattern, URLPattern):
            yield path, f"{namespace}{pattern.name}" if pattern.name else ""


def test_published_names_of_routes():
    web = dict.fromkeys(routes(get_resolver().url_patterns))

    check(
        "routes",
        {
            # The pattern of the admin's app list names all apps, in the order of their import.
            "paths": sorted({path for path, _ in web if "app_label" not in path}),
            "names": sorted({name for _, name in web if name}),
            "sockets": sorted(path for path, _ in live_routes()),
        },
    )


def live_routes() -> Iterator[tuple[str, str]]:
    from channels.routing import URLRouter

    from server.config.asgi import application

    inner: Any = application.application_mapping["websocket"]
    while not isinstance(inner, URLRouter):
        inner = getattr(inner, "application", None) or inner.inner
    yield from routes(inner.routes)


def fields(schema: dict[str, Any], components: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted path of every property, references followed."""
    if "$ref" in schema:
        yield from fields(components[schema["$ref"].rpartition("/")[2]], components, path)
    for part in [*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())]:
        yield from fields(part, components, path)
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], components, f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], components, f"{path}.*")
    for name, inner in schema.get("properties", {}).items():
        inner_path = f"{path}.{name}" if path else name
        yield inner_path
        yield from fields(inner, components, inner_path)


def test_published_names_of_the_api():
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator().get_schema(request=None, public=True)
    components = schema["components"]["schemas"]
    operations: dict[str, dict[str, list[str]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", ())
            names = {"parameters": sorted(f"{p['in']} {p['name']}" for p in parameters)}
            bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for part, body in bodies.items():
                for content in body.get("content", {}).values():
                    names[part] = sorted(set(fields(content["schema"], components)))
            operations[f"{method.upper()} {path}"] = {
                part: paths for part, paths in names.items() if paths
            }

    check("api", operations)
    # Generated clients name their classes after the components.
    check("api components", {kind: sorted(names) for kind, names in schema["components"].items()})


def test_published_names_of_the_contract():
    goldens = [path for path in CONTRACT.glob("*.json") if path != FILE]

    check(
        "contract",
        {path.name: sorted(key_paths(json.loads(path.read_text()))) for path in goldens},
    )


def test_published_names_of_the_servers_settings():
    sources = (ROOT / "server/config/settings").glob("*.py")
    names = {
        name
        for source in sources
        for name in re.findall(r'\benv\.\w+\(\s*"([A-Z_0-9]+)"', source.read_text())
    }

    check("server settings", {"variables": sorted(names)})


def test_published_names_of_the_servers_commands():
    plain = {
        option
        for action in BaseCommand().create_parser("", "")._actions
        for option in action.option_strings
    }
    commands = {}
    for name, app in get_commands().items():
        if isinstance(app, str) and app.startswith("server."):
            actions = load_command_class(app, name).create_parser("manage.py", name)._actions
            commands[name] = sorted(
                option
                for action in actions
                for option in (action.option_strings or [action.dest.upper()])
                if option not in plain
            )

    check("manage.py", commands)


def test_published_names_of_the_agents_settings(tmp_path):
    keys: dict[str, Any] = {"": []}
    for field in msgspec.structs.fields(Config):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys[field.name] = sorted(f.name for f in msgspec.structs.fields(field.type))
        else:
            keys[""].append(field.name)
    # The complaint about an unknown variable lists all that are known.
    with pytest.raises(ConfigError) as complaint:
        load_config({"AGENT_0123456789_0123456789": "1"}, directory=tmp_path)
    variables = re.findall(r"[A-Z][A-Z_0-9]+\b", str(complaint.value).partition("Known:")[2])

    check("agent settings", {"tables": keys, "variables": sorted(variables)})


def agent_help(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        agent_main([*arguments, "--help"])
    return capsys.readouterr().out


def test_published_names_of_the_agents_commands(capsys):
    text = agent_help(capsys)
    listed = text.partition("positional arguments:")[2].partition("\noptions:")[0]
    commands = re.findall(r"^    ([a-z][\w-]*)", listed, re.MULTILINE)
    options = {"": sorted(set(re.findall(r"--[a-z][\w-]*", text.partition("\noptions:")[2])))}
    for command in commands:
        options[command] = sorted(
            set(re.findall(r"--[a-z][\w-]*", agent_help(capsys, command).partition("options:")[2]))
        )

    assert "run" in commands
    check("agent commands", options)


def test_published_names_of_the_agents_socket():
    """Plugins are upgraded on other days than the agent they report to."""
    sources = [
        path
        for pattern in ("*.py", "*.js")
        for path in (ROOT / "agent").rglob(pattern)
        if "node_modules" not in path.parts and "test" not in path.parts
    ]
    paths = {
        path for source in sources for path in re.findall(r"(?<=[ '\"])/v1/\w+", source.read_text())
    }

    check("agent socket", {"paths": sorted(paths)})


def test_published_names_of_the_spool(spool, tmp_path):
    """An agent opens the file of the version before it, and of the one after it."""
    (file,) = tmp_path.rglob("*.db")
    with sqlite3.connect(file) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_")
        ]
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in tables
        }
    connection.close()

    check("spool", columns)


def test_published_names_of_the_plugins_options():
    options = {}
    for readme in sorted((ROOT / "agent/plugins").glob("*/README.md")):
        rows = re.findall(r"^\| `(\w+)` \|", readme.read_text(), re.MULTILINE)
        if rows:
            options[readme.parent.name] = sorted(set(rows))

    assert options
    check("plugin options", options)


def test_published_names_of_roles_and_units():
    roles = {}
    for role in sorted((ROOT / "ansible/roles").iterdir()):
        arguments = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
        defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
        text = "\n".join(
            path.read_text() for path in sorted(role.rglob("*")) if path.is_file()
        ) + "\n".join(path.name for path in role.rglob("*"))
        roles[role.name] = {
            "variables": sorted(
                {name for spec in arguments["argument_specs"].values() for name in spec["options"]}
                | set(defaults)
            ),
            "units": sorted(
                set(re.findall(r"\bmallard[\w-]*\.(?:service|timer|target|socket)\b", text))
            ),
        }

    check("ansible roles", roles)


def test_published_names_of_the_readmes_commands():
    named = set(
        re.findall(r"(?:\./mallard|`make) ([a-z][a-z-]+)", (ROOT / "README.md").read_text())
    )
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named <= targets
    check("commands", {"README.md": sorted(named)})

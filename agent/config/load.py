"""Loader and checks of the configuration: environment > .agent.env > TOML > defaults.

An unknown key is an error: it is nearly always a typo, and a typo here means an unmonitored node.
Every message names the source, the key and the fix.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from agent.config.identity import default_node_id
from agent.config.settings import (
    IN_MILLISECONDS,
    TABLES,
    TOKEN_CHARS,
    Config,
    Secret,
    environment_names,
)
from agent.errors import ConfigError

DEFAULT_TOML = Path("/etc/mallard-agent/agent.toml")
ENV_FILE_NAME = ".agent.env"
TOML_PATH_NAME = "AGENT_CONFIG"
ENVIRONMENT = "the environment"
SECRETS = frozenset(
    (table, field.name)
    for table, struct in TABLES.items()
    for field in msgspec.structs.fields(struct)
    if field.type is Secret
)
# An empty variable means "none" for these, "not set" for all others.
MAY_BE_EMPTY = frozenset(
    {
        ("node_role",),
        ("discovery", "zonemta_mongodb_uri"),
        ("discovery", "mongodb_uri"),
        ("discovery", "redis_url"),
        ("discovery", "rspamd_url"),
        ("discovery", "wildduck_api_url"),
        ("discovery", "wildduck_metrics_url"),
        ("discovery", "wildduck_mongodb_uri"),
    }
)

Path_ = tuple[str, ...]


@dataclass
class Loaded:
    """A configuration with warnings for a person. `sources`: the origin of each setting."""

    config: Config
    warnings: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)


def load(
    environ: Mapping[str, str] | None = None,
    *,
    toml_path: Path | None = None,
    directory: Path | None = None,
    backend_needed: bool = True,
) -> Loaded:
    """Return the checked configuration. Raises ConfigError.

    `directory`: first place of `.agent.env`, by default the working directory.
    `backend_needed`: whether a missing server address or key is an error.
    """
    env = os.environ if environ is None else environ
    directory = directory or Path.cwd()
    env_file = _env_file(directory)
    toml_path = toml_path or _toml_path(env, env_file)
    if not env_file and toml_path:
        env_file = _env_file(toml_path.parent)

    values: dict[Path_, Any] = {("node_id",): default_node_id()}
    sources: dict[str, str] = {}
    layers = [
        _from_toml(toml_path) if toml_path else {},
        _from_variables(env_file[1], str(env_file[0]), strict_names=True) if env_file else {},
        _from_variables(env, ENVIRONMENT, strict_names=False),
    ]
    for layer in layers:
        for key, (value, source) in layer.items():
            values[key] = value
            sources[".".join(key)] = source

    config = _assemble(values, sources)
    warnings = _check_backend(config, sources, needed=backend_needed)
    _check_addresses(config, sources)
    _check_receiver(config, sources)
    return Loaded(config, warnings, sources)


def _env_file(directory: Path) -> tuple[Path, dict[str, str]] | None:
    path = directory / ENV_FILE_NAME
    if not path.is_file():
        return None
    variables: dict[str, str] = {}
    for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), start=1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"{path}, line {number}: no '=' in it. Write NAME=value.")
        variables[name.strip()] = value.strip().strip("\"'")
    return path, variables


def _toml_path(env: Mapping[str, str], env_file: tuple[Path, dict[str, str]] | None) -> Path | None:
    named = env.get(TOML_PATH_NAME) or (env_file[1].get(TOML_PATH_NAME) if env_file else None)
    if named:
        return Path(named)
    return DEFAULT_TOML if DEFAULT_TOML.is_file() else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}). Check the path and its rights."
        ) from error


def _from_toml(path: Path) -> dict[Path_, tuple[Any, str]]:
    try:
        document = tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    top = {f.name for f in msgspec.structs.fields(Config)}
    layer: dict[Path_, tuple[Any, str]] = {}
    for name, value in document.items():
        if name in TABLES:
            if not isinstance(value, dict):
                raise ConfigError(f"{path}: {name!r} is a table. Write [{name}] and keys below it.")
            known = [f.name for f in msgspec.structs.fields(TABLES[name])]
            for key, inner in value.items():
                if key not in known:
                    raise _unknown(str(path), f"[{name}] {key}", key, known)
                layer[name, key] = _convert((name, key), inner, str(path), f"[{name}] {key}")
        elif name in top:
            layer[name,] = _convert((name,), value, str(path), name)
        else:
            shown = f"[{name}]" if isinstance(value, dict) else name
            raise _unknown(str(path), shown, name, top | set(TABLES))
    return layer


def _from_variables(
    variables: Mapping[str, str], source: str, *, strict_names: bool
) -> dict[Path_, tuple[Any, str]]:
    known = environment_names()
    layer: dict[Path_, tuple[Any, str]] = {}
    for name, text in variables.items():
        if name == TOML_PATH_NAME:
            continue
        if name not in known:
            # The environment is shared; only names with our prefix are checked.
            if strict_names or name.startswith("AGENT_"):
                raise _unknown(source, name, name, [*known, TOML_PATH_NAME])
            continue
        key = known[name]
        if text == "" and key not in MAY_BE_EMPTY:
            continue  # shells and unit files write "not set" as an empty variable
        value, _ = _convert(key, text, source, name, milliseconds=name == IN_MILLISECONDS)
        layer[key] = (value, source)
    return layer


def _unknown(source: str, shown: str, name: str, known: Iterable[str]) -> ConfigError:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    fix = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."
    return ConfigError(f"{source}: unknown key {shown}. {fix}")


def _convert(
    key: Path_, value: Any, source: str, shown: str, *, milliseconds: bool = False
) -> tuple[Any, str]:
    struct: type[msgspec.Struct] = TABLES[key[0]] if len(key) > 1 else Config
    expected = next(f.type for f in msgspec.structs.fields(struct) if f.name == key[-1])
    if key == ("log_level",) and isinstance(value, str):
        value = value.lower()
    strict = source != ENVIRONMENT and not source.endswith(ENV_FILE_NAME)
    try:
        number = float(value) / 1000 if milliseconds else value
        return msgspec.convert(number, expected, strict=strict, dec_hook=_secret), source
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        # An address may contain a password even where none belongs.
        hides = key in SECRETS or "@" in str(value)
        shown_value = "the given text" if hides else repr(value)
        wants = str(error).partition(" - at")[0].replace("`", "")
        unit = " (in seconds; the variable itself is in milliseconds)" if milliseconds else ""
        raise ConfigError(
            f"{source}: {shown} cannot be {shown_value}: {wants}{unit}. Correct {shown} there."
        ) from error


def _secret(wanted: type, value: Any) -> Any:
    if wanted is Secret and isinstance(value, str):
        return Secret(value.strip())
    raise ValueError("Expected text")


def _assemble(values: dict[Path_, Any], sources: dict[str, str]) -> Config:
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    top: dict[str, Any] = {}
    for key, value in values.items():
        if len(key) == 1:
            top[key[0]] = value
        else:
            tables[key[0]][key[1]] = value
    backend = tables["backend"]
    if "url" in backend:
        backend["url"] = _clean_url(backend["url"], sources["backend.url"])
    for name, struct in TABLES.items():
        top[name] = struct(**tables[name])
    return Config(**top)


def _clean_url(url: str, source: str) -> str:
    shown = "DASHBOARD_URL (or url in [backend])"
    try:
        parts = urlsplit(url)
        ok = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        ok = False
    if not ok:
        raise ConfigError(
            f"{source}: {shown} cannot be {url!r}: not an address."
            " Write it like https://dashboard.example."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"{source}: {shown} must be only scheme, host, port and path; the key goes in API_KEY."
        )
    return url.rstrip("/")


def _check_backend(config: Config, sources: dict[str, str], *, needed: bool) -> list[str]:
    places = f"in the environment, in {ENV_FILE_NAME}, or in the TOML file"
    if needed and not config.backend.url:
        raise ConfigError(
            f"DASHBOARD_URL is not set. Set it {places} as url in [backend], to the server's"
            " address, like https://dashboard.example."
        )
    if needed and not config.backend.api_key:
        raise ConfigError(
            f"API_KEY is not set. Set it {places} as api_key in [backend]. The server makes one:"
            " python manage.py create_api_key --scope agent --name LABEL, or its admin pages."
        )
    if config.backend.ca_file:
        _check_ca_file(config.backend.ca_file, sources["backend.ca_file"])
    key = config.backend.api_key.reveal()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"{sources['backend.api_key']}: API_KEY holds a space or a character no key has."
            " Copy the key again, alone."
        )
    parts = urlsplit(config.backend.url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        return [
            f"{sources['backend.url']}: DASHBOARD_URL is http and not this machine: the key and all"
            " addresses travel in the clear. Use https."
        ]
    return []


def _check_ca_file(name: str, source: str) -> None:
    import ssl  # noqa: PLC0415 (most commands start without it)

    text = _read(Path(name))
    try:
        # With `cadata` alone, no store of the system is read.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{source}: ca_file of [backend] is {name}, which holds no certificates in PEM form."
            " Name the file of the authority that signed the server's certificate."
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_addresses(config: Config, sources: dict[str, str]) -> None:
    discovery = config.discovery
    for name, uri, database in [
        ("zonemta_mongodb_uri", discovery.zonemta_mongodb_uri, "zone-mta"),
        ("wildduck_mongodb_uri", discovery.wildduck_mongodb_uri, "wildduck"),
        ("mongodb_uri", discovery.mongodb_uri, ""),
    ]:
        if f"discovery.{name}" in sources and uri:
            _check_mongodb(name, uri.reveal(), sources[f"discovery.{name}"], database=database)
    if "discovery.redis_url" in sources and discovery.redis_url:
        _check_redis(discovery.redis_url.reveal(), sources["discovery.redis_url"])


def _check_mongodb(name: str, uri: str, source: str, *, database: str) -> None:
    shown = f"AGENT_{name.upper()}" if "zonemta" in name else f"{name} of [discovery]"
    scheme, _, rest = uri.partition("://")
    hosts, _, path = rest.rpartition("@")[2].partition("/")
    if not database:  # the MongoDB of this node
        if uri != "auto" and (scheme != "mongodb" or not hosts or "," in hosts):
            raise ConfigError(
                f"{source}: {shown} must begin with mongodb:// and name one host, which is queried"
                " directly. Write it like mongodb://user:password@127.0.0.1:27017/, or auto."
            )
        return
    # The name of the database stands after the hosts; without one there is nothing to watch.
    if scheme not in ("mongodb", "mongodb+srv") or not path.partition("?")[0]:
        owner = {"zone-mta": "ZoneMTA", "wildduck": "WildDuck"}[database]
        raise ConfigError(
            f"{source}: {shown} must begin with mongodb:// and name {owner}'s"
            f" database in its path. Write it like mongodb://127.0.0.1:27017/{database}"
            "?replicaSet=rs0."
        )


def _check_redis(url: str, source: str) -> None:
    try:
        parts = urlsplit(url)
        tcp = parts.scheme in ("redis", "rediss") and parts.hostname and (parts.port or True)
        ok = tcp or (parts.scheme == "unix" and parts.path)
    except ValueError:
        ok = False
    if not ok:
        raise ConfigError(
            f"{source}: redis_url of [discovery] is no address of a Redis. Write it like"
            " redis://user:password@127.0.0.1:6379, rediss:// with TLS, or"
            " unix:///run/redis/redis.sock."
        )


def _check_receiver(config: Config, sources: dict[str, str]) -> None:
    receiver = config.receiver
    if receiver.tcp_port and len(receiver.tcp_token.reveal()) < TOKEN_CHARS:
        raise ConfigError(
            f"{sources['receiver.tcp_port']}: tcp_port in [receiver] needs a tcp_token of at least"
            f" {TOKEN_CHARS} characters, which the plugins send as their key. Make one:"
            " openssl rand -hex 24."
        )

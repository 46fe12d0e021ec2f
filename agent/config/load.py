"""Loader and checks of the configuration: environment > .agent.env > TOML > defaults.

An unknown key is an error: it is nearly always a typo, and a typo here means an unmonitored node.
Every message names the source, the key and the fix.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import msgspec

from agent.config import mongodb
from agent.config.identity import default_node_id
from agent.config.settings import (
    IN_MILLISECONDS,
    TABLES,
    TOKEN_CHARS,
    TYPES,
    Config,
    Key,
    Secret,
    environment_names,
)
from agent.errors import ConfigError
from agent.roles import WORDS, words_of

DEFAULT_TOML = Path("/etc/mallard-agent/agent.toml")
ENV_FILE_NAME = ".agent.env"
TOML_PATH_NAME = "AGENT_CONFIG"
ENVIRONMENT = "the environment"
SECRETS = frozenset(key for key, expected in TYPES.items() if expected is Secret)
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
        ("outage_webhook", "url"),
    }
)
MONGODB_URIS = frozenset(key for key in TYPES if key[-1].endswith("mongodb_uri"))


@dataclass
class Loaded:
    """A configuration with warnings for a person. `sources`: the origin of each setting."""

    config: Config
    warnings: list[str] = field(default_factory=list)
    sources: dict[Key, str] = field(default_factory=dict)


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

    layers: list[tuple[str, dict[Key, Any]]] = []
    if toml_path:
        layers.append((str(toml_path), _from_toml(toml_path)))
    if env_file:
        path, variables = env_file
        layers.append((str(path), _from_variables(variables, str(path))))
    layers.append((ENVIRONMENT, _from_variables(env, ENVIRONMENT)))
    values: dict[Key, Any] = {("node_id",): default_node_id()}
    sources: dict[Key, str] = {}
    for source, layer in layers:
        values |= layer
        sources |= dict.fromkeys(layer, source)

    config = _assemble(values, sources)
    _check_node(config, sources)
    warnings = _check_backend(config, sources, needed=backend_needed)
    _check_addresses(config, sources)
    _check_receiver(config, sources)
    _check_mailbox(config, sources)
    warnings += _check_webhook(config, sources)
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


def _from_toml(path: Path) -> dict[Key, Any]:
    try:
        document = tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    source, layer = str(path), dict[Key, Any]()
    names = {key[0] for key in TYPES}
    for name, value in document.items():
        if name not in names:
            shown = f"[{name}]" if isinstance(value, dict) else name
            raise _misplaced(source, shown, name) or _unknown(source, shown, name, names)
        if name not in TABLES:
            layer[name,] = _convert((name,), value, source, name, strict=True)
            continue
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {name!r} is a table. Write [{name}] and keys below it.")
        for key, inner in value.items():
            shown = f"[{name}] {key}"
            if (name, key) not in TYPES:
                known = [known[1] for known in TYPES if known[0] == name]
                raise _misplaced(source, shown, key) or _unknown(source, shown, key, known)
            layer[name, key] = _convert((name, key), inner, source, shown, strict=True)
    return layer


def _from_variables(variables: Mapping[str, str], source: str) -> dict[Key, Any]:
    known = environment_names()
    layer: dict[Key, Any] = {}
    for name, text in variables.items():
        if name == TOML_PATH_NAME:
            continue
        if name not in known:
            # The environment is shared; only names with our prefix are checked.
            if source != ENVIRONMENT or name.startswith("AGENT_"):
                raise _unknown(source, name, name, [*known, TOML_PATH_NAME])
            continue
        key = known[name]
        if text == "" and key not in MAY_BE_EMPTY:
            continue  # shells and unit files write "not set" as an empty variable
        layer[key] = _convert(key, text, source, name, strict=False)
    return layer


def _misplaced(source: str, shown: str, name: str) -> ConfigError | None:
    """Return the error of a key that stands in another table than its own; None of any other."""
    places = [f"[{key[0]}]" if len(key) > 1 else "the top" for key in TYPES if key[-1] == name]
    if not places or name in TABLES:
        return None
    return ConfigError(f"{source}: {shown} does not belong there. Move it to {places[0]}.")


def _unknown(source: str, shown: str, name: str, known: Iterable[str]) -> ConfigError:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    fix = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}."
    return ConfigError(f"{source}: unknown key {shown}. {fix}")


def _convert(key: Key, value: Any, source: str, shown: str, *, strict: bool) -> Any:
    if key == ("log_level",) and isinstance(value, str):
        value = value.lower()
    milliseconds = shown == IN_MILLISECONDS
    try:
        number = float(value) / 1000 if milliseconds else value
        return msgspec.convert(number, TYPES[key], strict=strict, dec_hook=_secret)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        # An address may contain a password even where none belongs.
        hides = key in SECRETS or "@" in str(value)
        shown_value = "the given text" if hides else repr(value)
        wants = str(error).partition(" - at")[0].replace("`", "")
        unit = " (in seconds; the variable itself is in milliseconds)" if milliseconds else ""
        choices = get_args(TYPES[key]) if get_origin(TYPES[key]) is Literal else ()
        fix = f"Write one of: {', '.join(choices)}." if choices else f"Correct {shown} there."
        raise ConfigError(
            f"{source}: {shown} cannot be {shown_value}: {wants}{unit}. {fix}"
        ) from error


def _secret(wanted: type, value: Any) -> Any:
    if wanted is Secret and isinstance(value, str):
        return Secret(value.strip())
    raise ValueError("Expected text")


def _assemble(values: dict[Key, Any], sources: dict[Key, str]) -> Config:
    url = ("backend", "url")
    if url in values:
        values[url] = _clean_url(values[url], sources[url])
    if ca_file := values.get(("discovery", "ca_file")):
        for key in MONGODB_URIS & values.keys():
            values[key] = Secret(mongodb.with_ca(values[key].reveal(), ca_file))
    settings: dict[str, Any] = {key[0]: value for key, value in values.items() if len(key) == 1}
    for table, struct in TABLES.items():
        given = {key[1]: value for key, value in values.items() if key[0] == table}
        settings[table] = struct(**given)
    return Config(**settings)


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address, None for none, or one whose port is no number."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises
    except ValueError:
        return None
    return parts


def _is_web(url: str, parts: SplitResult) -> bool:
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _check_node(config: Config, sources: dict[Key, str]) -> None:
    if re.search(r"[\s/]", config.node_id) or not config.node_id.isprintable():
        raise ConfigError(
            f"{sources.get(('node_id',), 'the host name')}: NODE_ID cannot be"
            f" {config.node_id!r}: a blank, a slash or an invisible character is no part of a"
            " name. Write it like mta-01 or mta-01.mail.example."
        )
    if not config.node_role.isprintable():
        raise ConfigError(
            f"{sources['node_role',]}: NODE_ROLE cannot be {config.node_role!r}: it holds an"
            " invisible character. Write it like zonemta-outbound."
        )
    for word in words_of(config.node_role):
        near = difflib.get_close_matches(word, WORDS, n=1, cutoff=0.75)
        if word not in WORDS and near:
            raise ConfigError(
                f"{sources['node_role',]}: NODE_ROLE has the word {word!r}. Did you mean"
                f" {near[0]!r}? Words that name programs: {', '.join(WORDS)}."
            )


def _clean_url(url: str, source: str) -> str:
    shown = "DASHBOARD_URL (or url in [backend])"
    parts = _split(url)
    if not parts or not _is_web(url, parts):
        raise ConfigError(
            f"{source}: {shown} cannot be {url!r}: not an address."
            " Write it like https://dashboard.example, a name outside ASCII as xn--."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"{source}: {shown} must be only scheme, host and port; the key goes in API_KEY."
        )
    if parts.path.strip("/"):
        raise ConfigError(
            f"{source}: {shown} cannot have the path {parts.path!r}: the server answers at the root"
            f" of its name. Write {parts.scheme}://{parts.netloc}."
        )
    return url.rstrip("/")


def _check_backend(config: Config, sources: dict[Key, str], *, needed: bool) -> list[str]:
    places = f"in the environment, in {ENV_FILE_NAME}, or in the TOML file"
    if needed and not config.backend.url:
        raise ConfigError(
            f"DASHBOARD_URL is not set. Set it {places} as url in [backend], to the server's"
            " address, like https://dashboard.example."
        )
    if needed and not config.backend.api_key:
        raise ConfigError(
            f"API_KEY is not set. Set it {places} as api_key in [backend]. The server makes one:"
            " python manage.py create_api_key --scope agent --node NODE --name LABEL, or its"
            " admin pages."
        )
    _check_ca_file("backend", config.backend.ca_file, sources)
    key = config.backend.api_key.reveal()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"{sources['backend', 'api_key']}: API_KEY holds a space or a character no key has."
            " Copy the key again, alone."
        )
    parts = urlsplit(config.backend.url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        return [
            f"{sources['backend', 'url']}: DASHBOARD_URL is http and not this machine: the key and"
            " all addresses travel in the clear. Use https."
        ]
    return []


def _check_ca_file(table: str, name: str, sources: dict[Key, str]) -> None:
    if not name:
        return
    import ssl  # noqa: PLC0415 (most commands start without it)

    text = _read(Path(name))
    try:
        # With `cadata` alone, no store of the system is read.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{sources[table, 'ca_file']}: ca_file of [{table}] is {name}, which holds no"
            " certificates in PEM form. Name the file of the authority that signed the certificate"
            f" of {'the server' if table == 'backend' else 'the programs'}."
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_addresses(config: Config, sources: dict[Key, str]) -> None:
    discovery = config.discovery
    _check_ca_file("discovery", discovery.ca_file, sources)
    for name, uri, database in [
        ("zonemta_mongodb_uri", discovery.zonemta_mongodb_uri, "zone-mta"),
        ("wildduck_mongodb_uri", discovery.wildduck_mongodb_uri, "wildduck"),
        ("mongodb_uri", discovery.mongodb_uri, ""),
    ]:
        source = sources.get(("discovery", name))
        if source and uri:
            mongodb.check(name, uri.reveal(), source, database=database)
    source = sources.get(("discovery", "redis_url"))
    if source and discovery.redis_url:
        _check_redis(discovery.redis_url.reveal(), source)


def _check_redis(url: str, source: str) -> None:
    parts = _split(url)
    if parts is None or not (
        (parts.scheme in ("redis", "rediss") and parts.hostname)
        or (parts.scheme == "unix" and parts.path)
    ):
        raise ConfigError(
            f"{source}: redis_url of [discovery] is no address of a Redis. Write it like"
            " redis://user:password@127.0.0.1:6379, rediss:// with TLS, or"
            " unix:///run/redis/redis.sock."
        )


def _check_receiver(config: Config, sources: dict[Key, str]) -> None:
    receiver = config.receiver
    if receiver.tcp_port and len(receiver.tcp_token.reveal()) < TOKEN_CHARS:
        raise ConfigError(
            f"{sources['receiver', 'tcp_port']}: tcp_port in [receiver] needs a tcp_token of at"
            f" least {TOKEN_CHARS} characters, which the plugins send as their key. Make one:"
            " openssl rand -hex 24."
        )


def _check_mailbox(config: Config, sources: dict[Key, str]) -> None:
    gelf, discovery = config.gelf, config.discovery
    if discovery.wildduck_stream == "on" and not discovery.wildduck_mongodb_uri:
        raise ConfigError(
            f"{sources['discovery', 'wildduck_stream']}: wildduck_stream in [discovery] needs"
            " wildduck_mongodb_uri. Write it like"
            " mongodb://127.0.0.1:27017/wildduck?replicaSet=rs0."
        )
    try:
        address = IPv4Address(gelf.address)
    except ValueError as error:
        raise ConfigError(
            f"{sources['gelf', 'address']}: address in [gelf] is no IPv4 address ({error}). Write"
            " 127.0.0.1, or the address of the interface that the programs reach."
        ) from error
    try:
        networks = gelf.networks
    except ValueError as error:
        raise ConfigError(
            f"{sources['gelf', 'allow']}: allow in [gelf] has no list of networks ({error}). Write"
            ' "127.0.0.0/8, 10.0.0.0/24".'
        ) from error
    if not networks:
        raise ConfigError(f"{sources['gelf', 'allow']}: allow in [gelf] lets no one send.")
    if gelf.relay_target == (str(address), gelf.port):
        raise ConfigError(
            f"{sources['gelf', 'relay_to']}: relay_to in [gelf] is the agent's own socket. Give the"
            " agent another port, or Graylog."
        )


def _check_webhook(config: Config, sources: dict[Key, str]) -> list[str]:
    """Check the address that is called in an outage; it is never shown. Returns warnings."""
    webhook = config.outage_webhook
    shown, url = "url in [outage_webhook]", webhook.url.reveal()
    if not url:
        if webhook.secret:
            raise ConfigError(
                f"{sources['outage_webhook', 'secret']}: secret in [outage_webhook] needs the"
                f" {shown}."
            )
        return []
    source, parts = sources["outage_webhook", "url"], _split(url)
    if not parts or not _is_web(url, parts):
        raise ConfigError(
            f"{source}: {shown} is no address. Write it like https://alerts.example/hook."
        )
    if parts.username is not None or parts.fragment:
        raise ConfigError(
            f"{source}: {shown} has a user or a # in it, which is not supported. Leave it out."
        )
    if parts.hostname == urlsplit(config.backend.url).hostname:
        return [
            f"{source}: {shown} is the host of the server: when that is down, nobody is called."
            " Use another host."
        ]
    return []

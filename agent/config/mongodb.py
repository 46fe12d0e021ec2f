"""Checks of the addresses of MongoDB. No message shows a part of one: it may be of a password."""

import re
from urllib.parse import parse_qsl, quote

from agent.errors import ConfigError

MAX_PORT = 65_535
SWITCHES = ("tls", "ssl", "directconnection", "retrywrites", "retryreads")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:\s]+)(?::([0-9]{1,5}))?")


def with_ca(uri: str, ca_file: str) -> str:
    """Return the address of a MongoDB with these authorities, where it uses TLS and names none."""
    address, _, query = uri.partition("?")
    options = {name.lower(): text.lower() for name, text in parse_qsl(query)}
    by_name = "true" if address.startswith("mongodb+srv://") else ""
    uses_tls = options.get("tls", options.get("ssl", by_name)) == "true"
    if not uses_tls or "tlscafile" in options:
        return uri
    begin = uri if query else f"{address if '/' in address.partition('://')[2] else f'{address}/'}?"
    return f"{begin}{'&' * bool(query)}tlsCAFile={quote(ca_file, safe='')}"


def check(name: str, uri: str, source: str, *, database: str) -> None:
    """Check the address in a setting. `database`: whose name it needs; empty for none. Raises
    ConfigError."""
    shown = f"AGENT_{name.upper()}" if "zonemta" in name else f"{name} of [discovery]"
    scheme, _, rest = uri.partition("://")
    address, _, query = rest.partition("?")
    login, _, place = address.rpartition("@")
    if _is_unescaped(login) or ("@" in query and not login):
        raise ConfigError(
            f"{source}: user or password of {shown} contain an unescaped @, /, ?, : or %. Write %40"
            " for @, %2F for /, %3F for ?, %3A for : and %25 for %."
        )
    hosts, _, path = place.partition("/")
    if not database and uri == "auto":
        return
    if not database and (scheme != "mongodb" or not hosts or "," in hosts):  # this node's
        raise ConfigError(
            f"{source}: {shown} must begin with mongodb:// and name one host, which is queried"
            " directly. Write it like mongodb://user:password@127.0.0.1:27017/, or auto."
        )
    # The name of the database stands after the hosts; without one there is nothing to watch.
    if database and (scheme not in ("mongodb", "mongodb+srv") or not path):
        owner = {"zone-mta": "ZoneMTA", "wildduck": "WildDuck"}[database]
        raise ConfigError(
            f"{source}: {shown} must begin with mongodb:// and name {owner}'s"
            f" database in its path. Write it like mongodb://127.0.0.1:27017/{database}"
            "?replicaSet=rs0."
        )
    if not all(map(_is_host, hosts.split(","))):
        raise ConfigError(
            f"{source}: {shown} has a host that is none, or a port that is not 1 to {MAX_PORT}."
            " Write hosts like db-1.example:27017, an IPv6 address like [2001:db8::1]:27017."
        )
    _check_options(query, shown, source)


def _is_unescaped(login: str) -> bool:
    has_mark = re.search(r"[@/]|%(?![0-9A-Fa-f]{2})", login) is not None
    return has_mark or login.count(":") > 1


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and (match[1] is None or 1 <= int(match[1]) <= MAX_PORT)


def _check_options(query: str, shown: str, source: str) -> None:
    for number, option in enumerate(filter(None, re.split("[&;]", query)), start=1):
        name, _, value = option.partition("=")
        if not value:
            raise ConfigError(
                f"{source}: option {number} after the ? of {shown} has no value. Write it like"
                " replicaSet=rs0."
            )
        if name.lower() in SWITCHES and value not in ("true", "false"):
            raise ConfigError(
                f"{source}: {name} in {shown} is neither true nor false. Write {name}=true."
            )

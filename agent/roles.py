"""Roles, programs and ports of a node, each derived from the others. Pure."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

PROGRAMS = ("zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb")

ZONEMTA_API_PORT, RSPAMD_PORT = 12080, 11334
# The programs' own defaults, and the ports a mail server has for its users.
PORTS = {
    "zonemta": (587, ZONEMTA_API_PORT),
    "wildduck": (993, 995),
    "haraka": (25,),
    "rspamd": (RSPAMD_PORT,),
}
SCHEME_PORTS = {"http": 80, "https": 443}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Words of a role that name a program; a role consists of words, like zonemta-outbound.
WORDS = {
    "zonemta": ("zonemta",),
    "outbound": ("zonemta",),
    "mta": ("zonemta",),
    "wildduck": ("wildduck",),
    "mailbox": ("wildduck",),
    "imap": ("wildduck",),
    "haraka": ("haraka",),
    "inbound": ("haraka",),
    "mx": ("haraka",),
    "rspamd": ("rspamd",),
    "redis": ("redis",),
    "mongodb": ("mongodb",),
    "mongo": ("mongodb",),
    "all": PROGRAMS,
}


def words_of(role: str) -> list[str]:
    """Return the words of a role, such as zonemta and outbound."""
    return re.findall(r"[a-z]+", role.lower().replace("zone-mta", "zonemta"))


def programs_of(role: str) -> tuple[str, ...]:
    """Return the programs a role names, in the order of PROGRAMS; none when it names none."""
    named = {program for word in words_of(role) for program in WORDS.get(word, ())}
    return tuple(program for program in PROGRAMS if program in named)


def ports_of(
    programs: tuple[str, ...], changes: str = "", api_ports: Mapping[int, int | None] | None = None
) -> tuple[int, ...]:
    """Return the ports of these programs.

    `changes`: numbers separated by commas, those with a minus left out, the others added.
    `api_ports`: default port of an API → where it is configured, None for another machine.
    """
    defaults = (port for program in programs for port in PORTS.get(program, ()))
    numbers = {(api_ports or {}).get(port, port) for port in defaults}
    changed = re.findall(r"(-?)(\d+)", changes)
    numbers |= {int(number) for minus, number in changed if not minus}
    numbers -= {int(number) for minus, number in changed if minus}
    return tuple(sorted(number for number in numbers if number and 0 < number < 2**16))


def api_ports_of(urls: Mapping[int, str]) -> dict[int, int | None]:
    """Return the port of each URL by an API's default port; None where it is another machine's.

    One that is empty, or cannot be read, changes nothing.
    """
    found: dict[int, int | None] = {}
    for default, url in urls.items():
        with suppress(ValueError):
            parts = urlsplit(url)
            own = parts.port or SCHEME_PORTS.get(parts.scheme, default)
            if parts.hostname:
                found[default] = own if parts.hostname in LOOPBACK else None
    return found


# Roles of programs that are a node's main task; the others only serve them.
MAIN = {"zonemta": "zonemta-outbound", "haraka": "haraka-inbound", "wildduck": "wildduck"}
ALL = "all-in-one"


def role_of(programs: Iterable[str]) -> str:
    """Return the role of these programs, empty for none. Inverse of `programs_of`."""
    present = set(programs)
    ordered = [program for program in PROGRAMS if program in present]
    if len(ordered) == len(PROGRAMS):
        return ALL
    return "+".join(MAIN.get(program, program) for program in ordered)

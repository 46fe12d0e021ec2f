"""Roles, programs and ports of a node, each derived from the others. Pure."""

import re
from collections.abc import Iterable

PROGRAMS = ("zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb")

# The programs' own defaults, and the ports a mail server has for its users.
PORTS = {
    "zonemta": (587, 12080),
    "wildduck": (993, 995),
    "haraka": (25,),
    "rspamd": (11334,),
}
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


def ports_of(programs: tuple[str, ...], extra: str = "") -> tuple[int, ...]:
    """Return the ports of these programs, and those of `extra`, numbers separated by commas."""
    numbers = {port for program in programs for port in PORTS.get(program, ())}
    numbers |= {int(number) for number in re.findall(r"\d+", extra)}
    return tuple(sorted(number for number in numbers if 0 < number < 2**16))


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

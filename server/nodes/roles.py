"""Programs that a node's role names. The agent has the same list, in agent/roles.py. Pure."""

import re

PROGRAMS = ("zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb")
#: Words of a role, such as zonemta-outbound, that name programs beside the programs themselves.
WORDS = {
    "outbound": ("zonemta",),
    "mta": ("zonemta",),
    "mailbox": ("wildduck",),
    "imap": ("wildduck",),
    "inbound": ("haraka",),
    "mx": ("haraka",),
    "mongo": ("mongodb",),
    "all": PROGRAMS,
}


def programs_of(role: str) -> frozenset[str]:
    """Return the programs that a node of this role should run."""
    words = re.findall(r"[a-z]+", role.lower().replace("zone-mta", "zonemta"))
    return frozenset(
        program
        for word in words
        for program in WORDS.get(word, (word,) if word in PROGRAMS else ())
    )

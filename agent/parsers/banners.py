"""Which mail program greets so, and in which version. Pure."""

import re

# What may come after the code and the host's name of an SMTP greeting, or in one of IMAP.
GREETINGS = (
    # It welcomes to its interface, by whatever name, and tells the version unless switched off.
    ("zonemta", re.compile(r"\[(?:@[\w-]+/)?zone-mta/(?P<version>\d[\w.+-]*)\]")),
    ("haraka", re.compile(r"\bHaraka(?:[/ ](?P<version>\d[\w.+-]*))?")),
    ("wildduck", re.compile(r"\bWildDuck(?:[/ ](?P<version>\d[\w.+-]*))?")),
)
BEGINNINGS = ("220 ", "220-", "* OK ", "+OK ")
RSPAMD = re.compile(r"^rspamd(?:/(?P<version>\d[\w.+-]*))?$", re.IGNORECASE)
MAX_VERSION_CHARS = 40


def program_of_greeting(line: str) -> tuple[str, str | None] | None:
    """Return the program and, where it says so, its version; None for another's greeting."""
    if not line.startswith(BEGINNINGS):
        return None
    for program, pattern in GREETINGS:
        if found := pattern.search(line):
            return program, _version(found)
    return None


def rspamd_version(server: str) -> tuple[bool, str | None]:
    """Return whether a Server header is Rspamd's, and its version."""
    found = RSPAMD.match(server.strip())
    return found is not None, _version(found) if found else None


def _version(found: re.Match[str]) -> str | None:
    version = found["version"]
    return version[:MAX_VERSION_CHARS] if version else None

"""Programs and versions from greetings and Server headers. Pure."""

import re

from agent.parsers.values import text

# Parts of an SMTP greeting after code and host name, or of one of IMAP.
GREETINGS = (
    # The greeting names its interface, and the version unless disabled.
    ("zonemta", re.compile(r"\[(?:@[\w-]+/)?zone-mta/(?P<version>\d[\w.+-]*)\]")),
    ("haraka", re.compile(r"\bHaraka(?:[/ ](?P<version>\d[\w.+-]*))?")),
    ("wildduck", re.compile(r"\bWildDuck(?:[/ ](?P<version>\d[\w.+-]*))?")),
)
BEGINNINGS = ("220 ", "220-", "* OK ", "+OK ")
RSPAMD = re.compile(r"^rspamd(?:/(?P<version>\d[\w.+-]*))?$", re.IGNORECASE)
MAX_VERSION_CHARS = 40


def parse_greeting(line: str) -> tuple[str, str | None] | None:
    """Return the program and its version where given; None for another's greeting."""
    if not line.startswith(BEGINNINGS):
        return None
    for program, pattern in GREETINGS:
        if match := pattern.search(line):
            return program, text(match["version"], limit=MAX_VERSION_CHARS)
    return None


def parse_rspamd_server(server: str) -> tuple[bool, str | None]:
    """Return whether a Server header is Rspamd's, and its version."""
    match = RSPAMD.match(server.strip())
    return match is not None, text(match and match["version"], limit=MAX_VERSION_CHARS)

"""How many connections there are, by the kernel's own counts: /proc/net/snmp and sockstat.

To count the lines of /proc/net/tcp would make the kernel walk all its tables, milliseconds each.
"""


def parse_established(snmp: str) -> int | None:
    """Return the connections that stand (CurrEstab of RFC 4022: also those the other side has
    closed), of both families, of a text of /proc/net/snmp; None when it does not tell."""
    rows = [line.split() for line in snmp.splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2:  # noqa: PLR2004 (names, numbers)
        return None
    return _number(dict(zip(*rows, strict=False)).get("CurrEstab"))


def parse_time_wait(sockstat: str) -> int | None:
    """Return the connections in TIME_WAIT, of a text of /proc/net/sockstat; None when it does not
    tell."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"]:
            return _number(dict(zip(words[1::2], words[2::2], strict=False)).get("tw"))
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None

"""Numbers of connections as counted by the kernel: /proc/net/snmp and sockstat. Pure.

Counting the lines of /proc/net/tcp would make the kernel walk all its tables, milliseconds each.
"""


def parse_established(snmp: str) -> int | None:
    """Return the established connections of both families (CurrEstab of RFC 4022, which includes
    those the other side has closed) in a text of /proc/net/snmp; None without a value."""
    rows = [line.split() for line in snmp.splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2:  # noqa: PLR2004 (names, numbers)
        return None
    return _number(dict(zip(*rows, strict=False)).get("CurrEstab"))


def parse_time_wait(sockstat: str) -> int | None:
    """Return the connections in TIME_WAIT in a text of /proc/net/sockstat; None without a value."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"]:
            return _number(dict(zip(words[1::2], words[2::2], strict=False)).get("tw"))
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None

"""Reasons why mail waits, from the remote server's reply: one of six classes, or `other`. Pure.

The remote's own words decide, first match first. ZoneMTA's category is not used: the same reply
gets different ones (451 "try again later" is `greylist` there). The order matters: one reply often
has the words of several classes.
"""

import re

RATE_LIMITED = "rate_limited"
MX_UNAVAILABLE = "mx_unavailable"
TIMEOUT = "timeout"
POLICY = "policy"
GREYLISTED = "greylisted"
OTHER = "other"
#: More of a reply names no further reason; patterns cost as much as the text is long.
MAX_REPLY_CHARS = 1_000
#: In the order in which pages show them.
CLASSES = (RATE_LIMITED, MX_UNAVAILABLE, TIMEOUT, POLICY, GREYLISTED, OTHER)

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (GREYLISTED, r"gr[ae]y[- ]?list|first (delivery )?attempt|deferred due to first"),
        # The words of a list or a signature, before the "service unavailable" it often comes with.
        (
            POLICY,
            r"spamhaus|barracuda|\b(RBL|DNSBL|SPF|DKIM|DMARC)\b|(black|block|deny) ?list"
            r"|blocked (using|by)|reputation|\bspam\b|unsolicited|\b5\.7\.\d+\b",
        ),
        (
            RATE_LIMITED,
            r"\brate\b|rate-?limit|too (many|much|fast|frequent)|throttl|slow(ing)? down"
            r"|exceed\w{0,8}.{0,40}\b(limit|rate)|\blimits?\b.{0,20}exceed|concurren"
            r"|unusual (rate|volume|number)|excessive|\b4\.7\.(28|[56]\d\d)\b"
            r"|maximum .{0,30}(connections|messages|recipients)",
        ),
        (TIMEOUT, r"timed?[ -]?out|ETIMEDOUT|ESOCKETTIMEDOUT"),
        (
            MX_UNAVAILABLE,
            r"ECONN(REFUSED|RESET|ABORTED)|E(HOST|NET)(UNREACH|DOWN)|ENOTFOUND|EAI_AGAIN|ESERVFAIL"
            r"|ENODATA|EREFUSED|EPIPE|network error|no route to host|handshake|certificate|\bTLS\b"
            r"|connection (refused|reset|closed|lost|failed|ended)|closed (the )?connection"
            r"|socket (closed|hang|error)|(host|network)( is)? unreachable"
            r"|(could|can)('?t|not| not) (connect|resolve|reach|find .{0,10}(mx|host))"
            r"|(mx|mail) (server|host)s?.{0,30}(not found|unavailable|unreachable|down)"
            r"|no (mx|mail exchange)|dns (error|lookup|query|fail)|(name|domain).{0,20}not resolve"
            r"|service (is )?(currently )?(not available|unavailable)|shutting down"
            r"|server (is )?(busy|down|unavailable)|\b4\.3\.2\b|\b4\.4\.[1-4]\b",
        ),
        (
            POLICY,
            r"polic(y|ies)|blocked|reverse dns|\bPTR\b|rdns|not (allowed|authori[sz]ed|permitted)"
            r"|denied|rejected|suspicious|\b4\.7\.\d+\b",
        ),
    )
)


def classify_reply(reply: str) -> str:
    """Return the class of a remote server's reply, or of the error of a connection."""
    text = reply[:MAX_REPLY_CHARS]
    return next((name for name, pattern in _RULES if pattern.search(text)), OTHER)

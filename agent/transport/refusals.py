"""Causes of refusals that a wait or an operator can cure. Pure."""

import enum
import re

_VARIABLE = re.compile(r"""'[^']{0,200}'|"[^"]{0,200}"|[0-9][0-9T:.+-]*""")
MAX_KIND_CHARS = 200


class Cause(enum.Enum):
    """Value: how the server's reason names it."""

    TIME = re.compile(r"minutes ahead")
    NODE = re.compile(r"[Tt]his key speaks for|bound to no node")


def find_cause(reason: str) -> Cause | None:
    """Return the passing cause of a refusal; None when the item will never be accepted."""
    return next((cause for cause in Cause if cause.value.search(reason)), None)


def kind_of(reason: str) -> str:
    """Return the reason without its numbers, times and quoted texts: one kind for all events."""
    return _VARIABLE.sub("…", reason[: 4 * MAX_KIND_CHARS])[:MAX_KIND_CHARS]

"""Causes of refusals that a wait or an operator can cure. Pure."""

import enum
import re

_VARIABLE = re.compile(r"""'[^']{0,200}'|"[^"]{0,200}"|[0-9][0-9T:.+-]*""")
MAX_KIND_CHARS = 200


class Cause(enum.Enum):
    """Value: how the reason of an older server, which sends no code, names it."""

    TIME = re.compile(r"minutes ahead")
    NODE = re.compile(r"[Tt]his key speaks for|bound to no node")


_BY_CODE = {"time_ahead": Cause.TIME, "wrong_node": Cause.NODE, "no_node": Cause.NODE}


def find_cause(reason: str, code: str | None = None) -> Cause | None:
    """Return the passing cause of a refusal; None when the item will never be accepted."""
    if code is not None:
        return _BY_CODE.get(code)
    return next((cause for cause in Cause if cause.value.search(reason)), None)


def kind_of(reason: str) -> str:
    """Return the reason without its numbers, times and quoted texts: one kind for all events."""
    return _VARIABLE.sub("…", reason[: 4 * MAX_KIND_CHARS])[:MAX_KIND_CHARS]

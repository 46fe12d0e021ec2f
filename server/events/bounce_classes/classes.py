"""Classes of refusals, with the statuses of RFC 3463 and the categories of ZoneMTA. Pure."""

import tomllib
from pathlib import Path
from typing import Any, Literal

BounceClass = Literal[
    "recipient", "full", "size", "sender", "rate", "greylisted", "reputation", "content",
    "authentication", "policy", "network", "protocol", "other", "unknown",
]  # fmt: skip

CLASSES: dict[BounceClass, dict[str, Any]] = tomllib.loads(  # type: ignore[assignment]
    Path(__file__).with_name("classes.toml").read_bytes().decode()
)


def _expand(details: list[str]) -> list[str]:
    """Return each detail, those of a range such as "7.20-24" one by one."""
    each = []
    for detail in details:
        subject, _, numbers = detail.partition(".")
        first, _, last = numbers.partition("-")
        each += [f"{subject}.{n}" for n in range(int(first), int(last or first) + 1)]
    return each


def _index(key: str) -> dict[str, BounceClass]:
    return {each: name for name, row in CLASSES.items() for each in _expand(row[key])}


#: Subject and detail of a status that says more than words → class; of any other that says enough.
CERTAIN = _index("certain")
STATUSES = _index("status")
#: Of a status that says more than words, where no code of the provider says otherwise.
STRONG = _index("strong")
#: Of a status that says enough in a refusal for good (5.x.x) alone.
PERMANENT = _index("permanent")
#: ZoneMTA's category → class.
CATEGORIES: dict[str, BounceClass] = {
    category: name for name, row in CLASSES.items() for category in row["categories"]
}

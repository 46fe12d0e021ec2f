"""Classes that people assigned to replies, as this process knows them: they go before any rule."""

from collections.abc import Mapping

from server.events.bounce_classes.classes import BounceClass

#: Fingerprint → class. Replaced whole: whoever reads one meanwhile has the old ones or the new.
_classes: Mapping[str, BounceClass] = {}


def replace(classes: Mapping[str, BounceClass]) -> None:
    global _classes  # noqa: PLW0603 (one mapping a process)
    _classes = classes


def find(fingerprint: str) -> BounceClass | None:
    return _classes.get(fingerprint)

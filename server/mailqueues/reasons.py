"""Reasons why mail waits: the classes of bounces, found by the same rules. Pure.

The remote's own words decide, without ZoneMTA's category, which the queue does not have.
"""

from server.events.bounce_classes.classes import CLASSES as BOUNCE_CLASSES
from server.events.bounce_classes.classes import BounceClass
from server.events.bounce_classes.classify import find_meaning

#: In the order of docs/replies.md; mail that waits without a reply has none.
CLASSES = tuple(name for name in BOUNCE_CLASSES if name != "unknown")


def classify_reply(reply: str) -> BounceClass:
    """Return the class of a remote server's reply, or of the error of a connection."""
    name = find_meaning(None, reply).bounce_class
    return "other" if name == "unknown" else name

"""Signs of life of nodes: an accepted batch is one, before it is stored.

Each web process notes a node every few seconds at most, so that a request costs no query.
"""

import logging
from time import monotonic

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from server.nodes import store
from server.nodes.authentication import KeyHolder
from server.nodes.models import ApiKey

logger = logging.getLogger(__name__)

#: So many times within NODE_OFFLINE_AFTER_S.
NOTES = 4
MAX_KNOWN = 10_000
#: After an error none is tried for so long: batches are accepted without the database.
RETRY_S = 5.0
#: Key → from when on the next note of its node is due.
_due: dict[int, float] = {}
_paused_until = 0.0


def note(holder: KeyHolder) -> None:
    """Note that the agent with this key sent something. Raises nothing.

    A key that may speak for any node says nothing of one.
    """
    global _paused_until  # noqa: PLW0603 (one for the process, as is its connection)
    if holder.node is None or holder.scope != ApiKey.Scope.AGENT:
        return
    now = monotonic()
    if now < max(_due.get(holder.key_id, 0.0), _paused_until):
        return
    try:
        store.mark_received(holder.node, timezone.now())
    except DatabaseError as error:
        logger.warning("The contact of a node cannot be noted: %s", error)
        connection.close()  # the next request must not reuse it
        _paused_until = now + RETRY_S
        return
    if len(_due) >= MAX_KNOWN:
        _due.clear()
    _due[holder.key_id] = now + settings.NODE_OFFLINE_AFTER_S / NOTES

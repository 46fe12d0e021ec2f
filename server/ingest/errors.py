"""Refusals of entire batches.

IngestError
 |- TooLarge       413: on the wire, unpacked, or too many events
 |- WrongEncoding  415: neither plain nor gzip
 |- Malformed      400: not JSON, or gzip that is not gzip
 |- NothingValid   422: every item was refused
 |- NodeMismatch   403: an item is of another node than the key
 `- Unavailable    503, to be sent again later:
     |- InboxFull            the bound of the inbox is reached; agents keep their spools
     |- InboxUnavailable     Redis does not answer or refuses to write
     `- DatabaseUnavailable  PostgreSQL does not answer, and is needed for this
"""

from rest_framework.exceptions import APIException


class IngestError(APIException):
    """Base of all refusals of a batch. DRF turns it into its answer."""

    retry_after_s: int | None = None


class TooLarge(IngestError):
    """More bytes or events than the limits allow. Smaller batches are accepted."""

    status_code = 413
    default_code = "too_large"


class WrongEncoding(IngestError):
    """An unknown Content-Encoding."""

    status_code = 415
    default_code = "wrong_encoding"


class Malformed(IngestError):
    """The body cannot be read at all. Sending it again will not help."""

    status_code = 400
    default_code = "malformed"


class NothingValid(IngestError):
    """Each item was refused, with its reason."""

    status_code = 422
    default_code = "nothing_valid"

    def __init__(self, rejected: list[dict[str, object]]) -> None:
        super().__init__("nothing in this batch was valid")
        self.rejected = rejected


class NodeMismatch(IngestError):
    """An item is of another node than its key speaks for. Nothing of the batch was accepted, and it
    is accepted once the key or the node id is mended."""

    status_code = 403
    default_code = "node_mismatch"

    def __init__(self, key_node: str, node: str) -> None:
        super().__init__(
            f"This key speaks for {key_node!r} only, not for {node!r}: nothing was accepted."
            " Keep the batch, and mend the key or the node id."
        )
        self.key_node, self.node = key_node, node


class Unavailable(IngestError):
    """Nothing can be accepted just now. Sending it again later helps."""

    status_code = 503
    retry_after_s = 5


class InboxFull(Unavailable):
    """The inbox has reached its bound: the writers are behind."""

    default_detail = "The inbox is full. Keep the batch and send it again."
    default_code = "inbox_full"


class InboxUnavailable(Unavailable):
    """Nothing can be accepted durably just now."""

    default_detail = "The inbox is not available. Keep the batch and send it again."
    default_code = "inbox_unavailable"


class DatabaseUnavailable(Unavailable):
    """A key that is not cached cannot be looked up, or a node not registered, just now."""

    default_detail = "The database is not available. Keep the batch and send it again."
    default_code = "database_away"

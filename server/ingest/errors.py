"""Refusals of entire batches: those of Unavailable are to be sent again later."""

from typing import Any

from rest_framework.exceptions import APIException


class IngestError(APIException):
    """Base of all refusals of a batch. DRF turns it into its answer."""

    detail: Any  #: A text, or all fields of the answer.


class TooLarge(IngestError):
    """More bytes or events than the limits allow. Smaller batches are accepted."""

    status_code = 413


class WrongEncoding(IngestError):
    """An unknown Content-Encoding."""

    status_code = 415


class Malformed(IngestError):
    """The body cannot be read at all. Sending it again will not help."""

    status_code = 400


class NothingValid(IngestError):
    """Each item was refused, with its reason."""

    status_code = 422

    def __init__(self, rejected: list[dict[str, Any]]) -> None:
        super().__init__()
        self.detail = {"detail": "nothing in this batch was valid", "rejected": rejected}


class NodeMismatch(IngestError):
    """An item is of another node than its key speaks for. Nothing of the batch was accepted, and it
    is accepted once the key or the node id is mended."""

    status_code = 403

    def __init__(self, key_node: str, node: str) -> None:
        super().__init__()
        text = (
            f"This key speaks for {key_node!r} only, not for {node!r}: nothing was accepted."
            " Keep the batch, and mend the key or the node id."
        )
        self.detail = {"detail": text, "code": "wrong_node", "key_node": key_node, "node": node}


class Unavailable(IngestError):
    """Nothing can be accepted just now. Sending it again later helps."""

    status_code = 503
    wait = 5  #: Seconds, which DRF names in Retry-After.


class InboxFull(Unavailable):
    """The inbox has reached its bound: the writers are behind."""

    default_detail = "The inbox is full. Keep the batch and send it again."


class TooManyLarge(Unavailable):
    """Other large bodies are being decoded."""

    default_detail = "Other large bodies are being decoded. Keep the batch and send it again."


class InboxUnavailable(Unavailable):
    """Nothing can be accepted durably just now."""

    default_detail = "The inbox is not available. Keep the batch and send it again."


class DatabaseUnavailable(Unavailable):
    """A key that is not cached cannot be looked up, or a node not registered, just now."""

    default_detail = "The database is not available. Keep the batch and send it again."

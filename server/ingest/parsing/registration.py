"""Pure: the body of a registration → the columns of the node."""

from ipaddress import ip_address
from typing import Annotated, Any

import msgspec

from server.ingest.errors import Malformed
from server.ingest.parsing.text import clean_json
from server.metrics.measures import ONE_LINE, NodeName

Short = Annotated[str, msgspec.Meta(max_length=64, pattern=ONE_LINE)]


class Registration(msgspec.Struct, frozen=True):
    """A node, as its agent describes it."""

    node_id: NodeName
    hostname: Annotated[str, msgspec.Meta(max_length=255, pattern=ONE_LINE)]
    addresses: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    role: Short = ""
    agent_version: Annotated[str, msgspec.Meta(max_length=32, pattern=ONE_LINE)] = ""
    versions: Annotated[dict[Short, Short], msgspec.Meta(max_length=50)] = {}


_decode = msgspec.json.Decoder(Registration).decode


def read_registration(body: bytes) -> dict[str, Any]:
    """Return the columns of the node, with `node_id` for its name. Raises Malformed."""
    try:
        registration = _decode(clean_json(body))
        addresses = [str(ip_address(text)) for text in registration.addresses]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"the registration cannot be read: {error}") from error
    return msgspec.structs.asdict(registration) | {"addresses": addresses}

"""Default node id, stable across reinstallations of the agent."""

import hashlib
import hmac
import re
import socket
from pathlib import Path

MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
# machine-id(5): 32 hexadecimal digits, never to be published itself; "uninitialized" before the
# first boot.
PURPOSE = b"mallard-agent node id"
MACHINE_ID = re.compile(r"[0-9a-f]{32}")
DIGEST_LENGTH = 8
MAX_HOST_NAME_CHARS = 64 - DIGEST_LENGTH - 1


def default_node_id(*, files: tuple[Path, ...] = MACHINE_ID_FILES) -> str:
    """Return the node id of this machine for a configuration without one."""
    return node_id(socket.gethostname(), _machine_id(files))


def node_id(host_name: str, machine_id: str | None) -> str:
    """Return the host name with a digest of the machine id, so that two machines with one name are
    two nodes. Pure.

    A cloned machine keeps its machine id; the host name distinguishes clones with names of their
    own. The others are one node, with samples of two machines in turn; `systemd-machine-id-setup`
    gives the clone an id, NODE_ID a name.
    """
    name = re.sub(r"[^\x21-\x7e]", "-", host_name)[:MAX_HOST_NAME_CHARS] or "node"
    if machine_id is None:
        return name
    digest = hmac.new(bytes.fromhex(machine_id), PURPOSE, hashlib.sha256).hexdigest()
    return f"{name}-{digest[:DIGEST_LENGTH]}"


def _machine_id(files: tuple[Path, ...]) -> str | None:
    for file in files:
        try:
            text = file.read_text("ascii").strip().lower()
        except (OSError, ValueError):
            continue
        if MACHINE_ID.fullmatch(text):
            return text
    return None

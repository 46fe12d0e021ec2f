"""The agent's disk: what waits for the server, what was already taken, where the stream stands.

One SQLite file, one connection, one lock: so events, held events, the document cache and the
position of the change stream change together or not at all.
"""

from agent.spool.change_stream_state import StreamState
from agent.spool.database import Database
from agent.spool.held import HeldEvent, Notice
from agent.spool.plugins import Told, told
from agent.spool.queue import SOURCES, Batch, Queue
from agent.spool.spool import Accepted, Spool
from agent.spool.summary import read_summary

__all__ = [
    "SOURCES",
    "Accepted",
    "Batch",
    "Database",
    "HeldEvent",
    "Notice",
    "Queue",
    "Spool",
    "StreamState",
    "Told",
    "read_summary",
    "told",
]

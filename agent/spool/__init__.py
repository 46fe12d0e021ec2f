"""The agent's disk: items that wait for the server, events already taken, the stream's position.

One SQLite file, one connection, one lock: so events, held events, the document cache and the
position of the change stream change together or not at all. Other packages import from here.
"""

from agent.spool.change_stream_state import ChangeStreamState, HeldEvent, Notice
from agent.spool.deduplication import final_key
from agent.spool.intake import WHOLE_MESSAGE, Accepted
from agent.spool.queue import Batch, Queue
from agent.spool.schema import PLUGIN_DROPPED, SOURCES
from agent.spool.spool import Spool
from agent.spool.stream_position import StreamPosition, read_gaps
from agent.spool.summary import read_summary
from agent.spool.transaction import Transaction

__all__ = [
    "PLUGIN_DROPPED",
    "SOURCES",
    "WHOLE_MESSAGE",
    "Accepted",
    "Batch",
    "ChangeStreamState",
    "HeldEvent",
    "Notice",
    "Queue",
    "Spool",
    "StreamPosition",
    "Transaction",
    "final_key",
    "read_gaps",
    "read_summary",
]

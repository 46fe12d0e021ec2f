"""What can go wrong, as one tree. Catch the level that carries your decision.

AgentError
 |- ConfigError       exit 2; the message names the source, the key and the fix
 |- AlreadyRunning    exit 3; another agent holds the state directory
 |- SpoolError        nothing of this transaction was kept: do not acknowledge, try again
 |- ReceiverError     the receiver's socket cannot be had
 `- CollectError      this run of this collector failed; the next interval tries again
     `- SourceAbsent  what it reads is not on this node, or not yet
"""


class AgentError(Exception):
    """Anything the agent raises by itself."""


class ConfigError(AgentError):
    """The configuration cannot be used. The message says where, what and how to mend it."""


class AlreadyRunning(AgentError):
    """Another agent uses the same state directory."""


class SpoolError(AgentError):
    """The spool could not commit; what was handed over was not kept."""


class ReceiverError(AgentError):
    """The socket of the receiver cannot be opened."""


class CollectError(AgentError):
    """One run of one collector failed."""


class SourceAbsent(CollectError):
    """What the collector reads is not here: no failure, and it may appear."""

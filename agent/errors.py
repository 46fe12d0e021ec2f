"""The tree of the agent's errors. Catch the level of your decision.

AgentError
 |- ConfigError       exit 2; the message names the source, the key and the fix
 |- AlreadyRunning    exit 3; another agent holds the state directory
 |- SpoolError        this transaction stored nothing: do not acknowledge, retry
 |- ReceiverError     the receiver's socket cannot be opened
 `- CollectError      this run of this collector failed; the next interval retries
     `- SourceAbsent  its program is not on this node, or not yet
"""


class AgentError(Exception):
    """Any error that the agent raises itself."""


class ConfigError(AgentError):
    """The configuration is unusable. The message names the source, the key and the fix."""


class AlreadyRunning(AgentError):
    """Another agent uses the same state directory."""


class SpoolError(AgentError):
    """The spool could not commit; nothing was stored."""


class ReceiverError(AgentError):
    """The socket of the receiver cannot be opened."""


class CollectError(AgentError):
    """One run of one collector failed."""


class SourceAbsent(CollectError):
    """The collector's program is absent: no failure, and it may appear."""

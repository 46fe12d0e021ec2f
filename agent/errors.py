"""The tree of the agent's errors. Catch the level of your decision."""


class AgentError(Exception):
    """Any error that the agent raises itself."""


class ConfigError(AgentError):
    """The configuration is unusable. The message names the source, the key and the fix."""


class AlreadyRunning(AgentError):
    """Another agent uses the same state directory."""


class SpoolError(AgentError):
    """The spool stored nothing of this transaction: do not acknowledge, retry."""


class ReceiverError(AgentError):
    """The socket of the receiver cannot be opened."""


class CollectError(AgentError):
    """This run of this collector failed; the next interval retries."""


class SourceAbsent(CollectError):
    """The collector's program is absent: no failure, and it may appear."""


def certificate_fix(text: str) -> str:
    """Return the fix for a certificate of a local program that is not trusted, by an error's text;
    empty for any other error."""
    if "certificate verify failed" not in text.lower().replace("_", " "):
        return ""
    return (
        ". Set ca_file of [discovery] to the file of the authority that signed its certificate, and"
        " use a name that is in it"
    )

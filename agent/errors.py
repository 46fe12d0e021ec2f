"""The tree of the agent's errors. Catch the level of your decision."""

from typing import Literal


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


#: What is wrong with a certificate that is refused: its time, its name, or who signed it.
CertificateFault = Literal["time", "name", "authority"]
_LOCAL_FIXES: dict[CertificateFault, str] = {
    "time": ". Renew its certificate, or set the clock of this node if that is wrong",
    "name": ". Use a name that is in its certificate",
    "authority": ". Set ca_file of [discovery] to the file of the authority that signed its"
    " certificate",
}


def certificate_fault(text: str) -> CertificateFault | None:
    """Return what is wrong with a certificate by an error's text; None for any other error."""
    text = text.lower().replace("_", " ")
    if "certificate verify failed" not in text:
        return None
    if "has expired" in text or "not yet valid" in text:
        return "time"
    return "name" if "mismatch" in text else "authority"


def certificate_fix(text: str) -> str:
    """Return the fix for a certificate of a local program that is refused, by an error's text;
    empty for any other error."""
    fault = certificate_fault(text)
    return _LOCAL_FIXES[fault] if fault else ""

"""What can go wrong on the way up.

StackError
   |- MissingError          something the machine lacks; the message says how to supply it
   |- StartError            a program ended or did not answer in time; carries the end of its log
   `- AlreadyRunningError   another run holds the directory; carries what it said about itself
"""


class StackError(Exception):
    """The base of all: the message is meant for the person who typed the command."""


class MissingError(StackError):
    """Something the machine lacks and we could not get."""


class StartError(StackError):
    """A program ended early or did not answer before its deadline."""


class AlreadyRunningError(StackError):
    """Another run holds the directory; `said` is what that run wrote about itself."""

    def __init__(self, said: dict[str, object]) -> None:
        super().__init__(f"already running (process {said.get('pid', 'unknown')})")
        self.said = said

"""Errors on the way up.

StackError
   |- MissingError          the machine lacks something; the message names how to supply it
   |- StartError            a program ended or did not answer in time; carries the end of its log
   `- AlreadyRunningError   another run holds the directory; carries its note
"""


class StackError(Exception):
    """The base of all: the message is meant for the person who typed the command."""


class MissingError(StackError):
    """Something the machine lacks and we could not get."""


class StartError(StackError):
    """A program ended early or did not answer before its deadline."""


class AlreadyRunningError(StackError):
    """Another run holds the directory; `note` is its note about itself."""

    def __init__(self, note: dict[str, object]) -> None:
        super().__init__(f"already running (process {note.get('pid', 'unknown')})")
        self.note = note

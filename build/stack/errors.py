"""Errors on the way up: their messages are meant for the person who typed the command."""

from typing import Any


class StackError(Exception):
    """The base of all."""


class MissingError(StackError):
    """Something the machine lacks and we could not get; the message names how to supply it."""


class StartError(StackError):
    """A program ended early or did not answer in time; the message has the end of its log."""


class AlreadyRunningError(StackError):
    """Another run holds the directory; `note` is its note about itself."""

    def __init__(self, note: dict[str, Any]) -> None:
        super().__init__(f"already running (process {note.get('pid', 'unknown')})")
        self.note = note

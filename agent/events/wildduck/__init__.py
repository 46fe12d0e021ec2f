"""Events of what WildDuck does with mail and logins, from its own database."""

from agent.events.wildduck.stream import MailboxStream

__all__ = ["MailboxStream"]

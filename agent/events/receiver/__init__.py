"""The endpoint that plugins of mail programs report to, and the status of those plugins."""

from agent.events.receiver.server import SOCKET_NAME, Receiver, TcpReceiver

__all__ = ["SOCKET_NAME", "Receiver", "TcpReceiver"]

"""Speaks to a receiver as a plugin does."""

import http.client
import json
import socket

from build.deadline import stretch


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=stretch(10))
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(stretch(10))
        self.sock.connect(str(self.path))


def post(receiver, body, *, path="/v1/events", headers=None):
    """Return status and answer of one POST over a connection of its own."""
    tcp = isinstance(receiver, int)
    connection = (
        http.client.HTTPConnection("127.0.0.1", receiver, timeout=stretch(10))
        if tcp
        else Connection(receiver.path)
    )
    try:
        connection.request("POST", path, body=body, headers=headers or {})
        response = connection.getresponse()
        answer = response.read()
        return response.status, json.loads(answer) if answer else None
    finally:
        connection.close()

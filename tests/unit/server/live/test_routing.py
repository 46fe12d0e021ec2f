"""Origins of the pages that open sockets, and answers on other paths."""

import asyncio

import pytest
from asgiref.testing import ApplicationCommunicator

from server.live.routing import ExactOrigin, not_found

ORIGINS = ["https://mallard.example", "https://mallard.example:8443"]


async def let_in(scope, receive, send):
    await send({"type": "websocket.accept"})


def first_answer(application, scope, message):
    async def ask():
        communicator = ApplicationCommunicator(application, scope)
        await communicator.send_input(message)
        return await communicator.receive_output(timeout=10)

    return asyncio.run(ask())


def opened_by(origin):
    headers = [(b"origin", origin.encode())] if origin is not None else []
    scope = {"type": "websocket", "path": "/ws/live/", "headers": headers}
    answer = first_answer(ExactOrigin(let_in, ORIGINS), scope, {"type": "websocket.connect"})
    return answer["type"] == "websocket.accept"


@pytest.mark.parametrize("origin", [*ORIGINS, "https://mallard.example:443"])
def test_pages_of_the_site_open_a_socket(origin):
    assert opened_by(origin)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://mallard.example",
        "https://mallard.example:444",
        "https://mallard.example:99999",
        "https://mallard.example:x",
        "https://sub.mallard.example",
        "https://mallard.example.evil.example",
        "https://mallard.example@evil.example",
        "https://[::1",
        "mallard.example",
    ],
)
def test_pages_of_another_scheme_host_or_port_do_not(origin):
    assert not opened_by(origin)


def test_an_unknown_socket_and_a_plain_request_get_an_answer():
    socket = {"type": "websocket", "path": "/ws/other/"}
    closed = first_answer(not_found, socket, {"type": "websocket.connect"})
    plain = first_answer(not_found, {"type": "http", "path": "/ws/live/"}, {"type": "http.request"})

    assert (closed["type"], closed["code"]) == ("websocket.close", 4404)
    assert plain["status"] == 404

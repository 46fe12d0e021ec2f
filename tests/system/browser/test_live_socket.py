"""The live process itself, through a plain WebSocket client."""

import json
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from build.deadline import stretch
from tests.system.browser.site import PASSWORD, USER, Site


def live_url(site: Site) -> str:
    return f"ws://127.0.0.1:{site.server.live_port}/ws/live/"


@pytest.fixture
def session(site: Site) -> dict[str, str]:
    return log_in(site, USER)


def log_in(site: Site, user: str) -> dict[str, str]:
    """Log in as a browser does; return the cookie."""
    cookies = HTTPCookieProcessor()
    opener = build_opener(cookies)
    login = f"{site.server.url}/login/"
    opener.open(login, timeout=stretch(10)).close()
    token = next(c.value for c in cookies.cookiejar if c.name == "csrftoken")
    form = {"username": user, "password": PASSWORD, "csrfmiddlewaretoken": token}
    opener.open(Request(login, urlencode(form).encode()), timeout=stretch(10)).close()
    (value,) = [c.value for c in cookies.cookiejar if c.name == "sessionid"]
    return {"Cookie": f"sessionid={value}"}


def test_a_stranger_is_reported_to_log_in_and_cut_off(site: Site):
    with (
        connect(live_url(site), origin=site.server.url) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=stretch(10))

    assert closed.value.rcvd.code == 4401


def test_after_logging_out_the_sockets_of_other_tabs_are_closed(site: Site):
    own = log_in(site, USER)
    with connect(live_url(site), origin=site.server.url, additional_headers=own) as socket:
        socket.recv(timeout=stretch(10))
        log_out(site, own)
        with pytest.raises(ConnectionClosed):
            list(socket)

    assert socket.close_code == 4401


def log_out(site: Site, session: dict[str, str]) -> None:
    """Log out as a browser does."""
    cookies = HTTPCookieProcessor()
    opener = build_opener(cookies)
    opener.open(f"{site.server.url}/login/", timeout=stretch(10)).close()
    token = next(c.value for c in cookies.cookiejar if c.name == "csrftoken")
    both = {"Cookie": f"{session['Cookie']}; csrftoken={token}"}
    form = urlencode({"csrfmiddlewaretoken": token}).encode()
    request = Request(f"{site.server.url}/logout/", form, both)
    build_opener().open(request, timeout=stretch(10)).close()


def test_a_page_of_another_site_does_not_get_in(site: Site, session):
    with pytest.raises(InvalidStatus) as refused:
        connect(live_url(site), origin="http://evil.example", additional_headers=session)

    assert refused.value.response.status_code == 403


def test_a_snapshot_comes_first_then_absolute_totals_with_rising_ticks(site: Site, session):
    # A kind of event no other test sends: counts by second outlive a test.
    site.mail("dropped", 3)
    with connect(live_url(site), origin=site.server.url, additional_headers=session) as socket:
        frames = [json.loads(socket.recv(timeout=stretch(10)))]
        site.mail("dropped", 2)
        while count_dropped(frames[-1]) < 5:
            frames.append(json.loads(socket.recv(timeout=stretch(10))))

    assert frames[0]["type"] == "snapshot"
    assert {frame["type"] for frame in frames[1:]} == {"tick"}
    ticks = [frame["tick"] for frame in frames[1:]]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert count_dropped(frames[-1]) == 5


def count_dropped(frame) -> int:
    return sum(counts.get("outbound:dropped", 0) for counts in frame["seconds"].values())


def test_a_page_that_requests_it_gets_a_snapshot_and_nonsense_is_ignored(site: Site, session):
    with connect(live_url(site), origin=site.server.url, additional_headers=session) as socket:
        socket.recv(timeout=stretch(10))
        for nonsense in (
            "no json",
            "[]",
            "5",
            b"\x00",
            "x" * 100_000,
            '{"type": "flow"}',
            '{"type": 7}',
        ):
            socket.send(nonsense)
        socket.send('{"type": "snapshot"}')
        kinds = {json.loads(socket.recv(timeout=stretch(10)))["type"] for _ in range(4)}

    assert kinds == {"snapshot", "tick"}


def test_fifty_pages_get_every_frame_of_one_process(site: Site, session):
    sessions = [session]
    for user in ("second", "third"):  # one person has up to twenty
        site.site.make_user(user, PASSWORD)
        sessions.append(log_in(site, user))
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(
                connect(live_url(site), origin=site.server.url, additional_headers=sessions[n % 3])
            )
            for n in range(50)
        ]
        for socket in sockets:
            assert json.loads(socket.recv(timeout=stretch(10)))["type"] == "snapshot"

        # As above: of this kind and direction only here.
        site.mail("dropped", 3, direction="inbound")

        for socket in sockets:
            ticks, seen = [], 0
            while seen < 3:
                frame = json.loads(socket.recv(timeout=stretch(10)))
                ticks.append(frame["tick"])
                seen = sum(c.get("inbound:dropped", 0) for c in frame["seconds"].values())
            assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


def test_a_page_of_another_port_or_scheme_does_not_get_in(site: Site, session):
    for origin in (site.server.url.replace("http:", "https:"), "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused:
            connect(live_url(site), origin=origin, additional_headers=session)
        assert refused.value.response.status_code == 403


def test_a_path_without_a_socket_and_a_plain_request_are_answered(site: Site, session):
    origin, port = site.server.url, site.server.live_port
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}/ws/x/", origin=origin, additional_headers=session)
    with pytest.raises(HTTPError) as plain:
        build_opener().open(f"http://127.0.0.1:{port}/ws/live/", timeout=stretch(10))
    plain.value.close()

    assert (refused.value.response.status_code, plain.value.code) == (403, 404)

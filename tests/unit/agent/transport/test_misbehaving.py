"""The client and the shipper against servers that do everything wrong: real sockets, real bytes."""

import contextlib
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from datetime import timedelta

import pytest

from agent import clock
from agent.config import Backend, Secret
from agent.errors import ConfigError
from agent.lifecycle import EVENTS_ROUTE, samples_route
from agent.transport.backoff import http_date_of
from agent.transport.client import Action, Client
from agent.transport.shipper import BATCHES_BEFORE_PAUSE, Shipper
from tests.agent_fixtures import take, waiting_count
from tests.fakes.certificates import make_certificate
from tests.waiting import until

PATH = "/api/v1/events/ingest"
# RawServer closes after one answer and announces it: else the next request may meet a dying
# connection.
ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 26\r\n\r\n"
    b'{"queued":1,"rejected":[]}'
)


class RawServer:
    """Takes connections and gives each to `behave(connection, request)`."""

    def __init__(self, behave, *, tls=None):
        self.connections = 0
        self.open = []
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        self.open.append(connection)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls:
                connection = stack.enter_context(
                    self._tls.wrap_socket(connection, server_side=True)
                )
            stack.enter_context(connection)
            self._behave(connection, read_request(connection))

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head


@pytest.fixture
def serve():
    started = []

    def start(behave, **options):
        server = RawServer(behave, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def client_of():
    made = []

    def make(url, **settings):
        client = Client(Backend(url=url, api_key=Secret("k"), **settings))
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def hang(connection, _request):
    with contextlib.suppress(OSError):
        connection.recv(1)  # until the other side gives up


def respond(data):
    return lambda connection, _request: connection.sendall(data)


def trickle(data):
    def behave(connection, _request):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)  # slower than whole, faster than the read timeout

    return behave


LONG_HEAD = b"HTTP/1.1 202 Accepted\r\n" + b"X-Padding: 1\r\n" * 1000


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(serve, client_of):
    client = client_of(serve(hang).url, read_timeout_s=0.2)

    outcome = client.post(PATH, b"[]", answer_needed=True)

    assert outcome.action is Action.RETRY
    assert "timed out" in outcome.reason.lower()


@pytest.mark.parametrize("data", [LONG_HEAD, b"HTTP/1.1 202 Accepted\r\n\r\n" + b"x" * 1000])
def test_a_server_that_sends_a_byte_now_and_then_is_cut_off(serve, client_of, data):
    client = client_of(serve(trickle(data)).url, connect_timeout_s=0.2, read_timeout_s=0.3)
    stop = threading.Event()

    def look_on():
        while not stop.wait(0.05):
            client.abort_overdue()

    looking = threading.Thread(target=look_on)
    looking.start()
    outcome = client.post(PATH, b"[]", answer_needed=True)
    stop.set()
    looking.join()

    assert outcome.action is Action.RETRY
    assert "within 0.5 s" in outcome.reason


def test_what_is_under_way_ends_when_the_agent_must(serve, client_of):
    server = serve(hang)
    client = client_of(server.url)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.post(PATH, b"[]")))
    thread.start()
    until(lambda: server.connections)

    client.end_by(clock.monotonic_s())
    until(lambda: client.abort_overdue() or not thread.is_alive())

    assert outcomes[0].action is Action.RETRY


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\xfe garbage \r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 202 Accepted\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 202 Accepted\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_an_answer_that_is_none_is_tried_again(serve, client_of, data):
    outcome = client_of(serve(respond(data)).url).post(PATH, b"[]", answer_needed=True)

    assert outcome.action is Action.RETRY
    assert outcome.reason.count("\n") == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"<html>welcome</html>", b"[]", b'{"queued":"many"}', b"\xff\xfe", b"9" * 9],
)
def test_a_202_that_is_not_mallards_takes_nothing(serve, client_of, body):
    data = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    outcome = client_of(serve(respond(data)).url).post(PATH, b"[]", answer_needed=True)

    assert outcome.action is Action.KEEP
    assert "not as Mallard does" in outcome.reason


def test_an_endless_answer_is_read_no_further_than_makes_sense(serve, client_of):
    def flood(connection, _request):
        connection.sendall(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    outcome = client_of(serve(flood).url).post(PATH, b"[]", answer_needed=True)

    assert outcome.action is Action.RETRY
    assert len(outcome.reason) < 500


def test_the_time_of_the_next_try_may_be_a_date(serve, client_of):
    dated = (
        b"HTTP/1.1 503 Busy\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
        b"Retry-After: Sat, 21 Nov 2026 10:00:42 GMT\r\nContent-Length: 0\r\n\r\n"
    )

    assert client_of(serve(respond(dated)).url).post(PATH, b"[]").retry_after_s == 42


def test_the_figures_count_what_was_sent_and_what_failed(serve, client_of):
    refusal = b"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    answers = [ANSWER, refusal, ANSWER]
    server = serve(lambda connection, _: connection.sendall(answers.pop(0)))
    client = client_of(server.url)

    for _ in range(3):
        client.post(PATH, b"[]", answer_needed=True)

    assert (client.stats.sends_total, client.stats.failures_total) == (3, 1)
    assert client.stats.health()["send_p95_ms"] > 0


def test_a_clock_that_is_off_is_measured_and_logged(serve, client_of, caplog):
    dated = ANSWER.replace(b"\r\n\r\n", b"\r\nDate: Sat, 21 Nov 2020 10:00:00 GMT\r\n\r\n")

    client = client_of(serve(respond(dated)).url)
    client.post(PATH, b"[]", answer_needed=True)

    assert client.stats.skew.ahead().days > 5 * 365
    assert "ahead of the server's" in caplog.text
    assert "timedatectl" in caplog.text


@pytest.mark.parametrize(
    "date", [b"", b"Date: soon\r\n", b"Date: Sat, 21 Nov 2020 10:00:00 GMT\r\n"]
)
def test_a_clock_is_compared_with_the_servers_own_whatever_a_proxy_makes_of_date(
    serve, client_of, date
):
    own = b"\r\nMallard-Date: %s\r\n%s\r\n" % (http_date_of(clock.utc_now()).encode(), date)
    client = client_of(serve(respond(ANSWER.replace(b"\r\n\r\n", own))).url)

    client.post(PATH, b"[]")

    assert abs(client.stats.skew.ahead()) < timedelta(minutes=1)


@pytest.fixture
def ship_to(spool, in_thread, client_of):
    def start(url, lanes=None, *, wait_ratio=0.01, **settings):
        client = client_of(url, **settings)
        backend = Backend(url=url, api_key=Secret("k"), **settings)
        lanes = lanes or [(spool.events, EVENTS_ROUTE)]
        shipper = Shipper(lanes, client, backend, wait_ratio=wait_ratio)
        in_thread(shipper)
        return shipper

    return start


def test_collecting_goes_on_while_the_server_hangs(serve, ship_to, spool):
    server = serve(hang)
    take(spool, range(10))
    ship_to(server.url, read_timeout_s=2)
    until(lambda: server.connections)

    for number in range(10, 400):
        take(spool, [number])

    assert waiting_count(spool) == 400


def test_three_tries_one_two_and_four_seconds_apart_then_ever_slower(fake_server, spool, client_of):
    fake_server.answers = [(500, None, {})] * 5
    client = client_of(fake_server.url)
    take(spool, [1])
    shipper = Shipper([(spool.events, EVENTS_ROUTE)], client, Backend(url=fake_server.url))

    waits_s = [shipper.ship_once() for _ in range(5)]

    assert waits_s == [pytest.approx(wait_s, rel=0.21) for wait_s in (1, 2, 4, 8, 16)]


def test_one_failure_is_no_news_three_are(fake_server, spool, client_of, caplog):
    fake_server.answers = [(500, None, {})] * 3
    take(spool, [1])
    shipper = Shipper(
        [(spool.events, EVENTS_ROUTE)], client_of(fake_server.url), Backend(url=fake_server.url)
    )

    counts = []
    for _ in range(3):
        shipper.ship_once()
        counts.append(caplog.text.count("WARNING"))

    assert counts == [0, 0, 1]


def test_after_ten_batches_in_a_row_the_shipper_takes_a_breath(
    fake_server, spool, client_of, in_thread, monkeypatch
):
    breaths = []

    class Stop(threading.Event):
        def wait(self, timeout=None):
            if timeout:
                breaths.append(len(fake_server.requests))
            return super().wait(0)

    take(spool, range(250))
    shipper = Shipper(
        [(spool.events, EVENTS_ROUTE)],
        client_of(fake_server.url),
        Backend(url=fake_server.url, api_key=Secret("k"), batch_events=10, linger_ms=0),
    )
    stop = Stop()
    thread = threading.Thread(target=shipper.run, args=(stop,))
    thread.start()
    until(lambda: waiting_count(spool) == 0)
    stop.set()
    shipper.wake()
    thread.join()

    assert breaths == [BATCHES_BEFORE_PAUSE, 2 * BATCHES_BEFORE_PAUSE]
    assert fake_server.taken == list(range(1, 251))


def test_samples_one_door_fails_on_do_not_hold_up_the_others(fake_server, spool, ship_to, tmp_path):
    haraka, redis = (spool.source_samples[name] for name in ("haraka", "redis"))
    lanes = [(haraka, samples_route("haraka")), (redis, samples_route("redis"))]
    broken = samples_route("haraka").path

    fake_server.judge = lambda path: 500 if path == broken else 202
    for _ in range(3):
        spool.append_sample(b"{}", source="haraka")
        spool.append_sample(b"{}", source="redis")
    ship_to(fake_server.url, lanes, wait_ratio=1)

    until(lambda: redis.waiting_count() == 0)
    assert haraka.waiting_count() == 3


def test_an_unreachable_server_is_tried_for_one_queue_at_a_time(serve, spool, ship_to):
    """Eight queues that each wait for a timeout would take minutes to come round."""
    server = serve(hang)
    lanes = [
        (spool.source_samples[name], samples_route(name)) for name in ("haraka", "redis", "rspamd")
    ]
    for name in ("haraka", "redis", "rspamd"):
        spool.append_sample(b"{}", source=name)

    ship_to(server.url, lanes, wait_ratio=1000, read_timeout_s=0.2)
    until(lambda: server.connections)
    # A connection for another queue would come within the timeout of the first.
    time.sleep(0.5)

    assert server.connections == 1


def test_what_could_not_be_deleted_for_want_of_disk_is_not_sent_again(
    fake_server, spool, ship_to, caplog
):
    take(spool, range(5))
    with spool.read() as tx:
        tx.execute("PRAGMA query_only=1")
        ship_to(fake_server.url)
    until(lambda: "still in the spool" in caplog.text)
    assert spool.events.peek(max_count=10, max_bytes=10**6) is None

    with spool.read() as tx:
        tx.execute("PRAGMA query_only=0")
    take(spool, [9])
    until(lambda: fake_server.taken == [1, 2, 3, 4, 5, 6])

    until(lambda: spool.events.waiting_count() == 0)
    assert len(fake_server.taken) == 6


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    return folder


@pytest.fixture
def tls_server(serve, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    return serve(respond(ANSWER), tls=context)


def test_a_certificate_of_an_unknown_authority_is_refused_with_the_remedy(tls_server, client_of):
    outcome = client_of(tls_server.url).post(PATH, b"[]", answer_needed=True)

    assert outcome.action is Action.RETRY
    assert "ca_file" in outcome.reason


def test_the_authority_of_ca_file_is_trusted(tls_server, client_of, authority):
    client = client_of(tls_server.url, ca_file=str(authority / "cert.pem"))

    assert client.post(PATH, b"[]", answer_needed=True).action is Action.ACCEPTED


def test_an_authority_that_is_replaced_while_the_agent_runs_is_read_again(
    tls_server, client_of, authority, tmp_path
):
    trusted = tmp_path / "ca.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=127.0.0.1", "-keyout", str(tmp_path / "key.pem"), "-out", str(trusted)]
    subprocess.run([*made, *named], check=True, capture_output=True, timeout=30)
    client = client_of(tls_server.url.replace("https", "HTTPS"), ca_file=str(trusted))
    assert "ca_file" in client.post(PATH, b"[]", answer_needed=True).reason

    shutil.copy(authority / "cert.pem", trusted)

    assert client.post(PATH, b"[]", answer_needed=True).action is Action.ACCEPTED


def test_a_tls_server_that_sends_a_byte_now_and_then_is_cut_off_too(serve, client_of, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    client = client_of(
        serve(trickle(LONG_HEAD), tls=context).url,
        ca_file=str(authority / "cert.pem"),
        connect_timeout_s=1,
        read_timeout_s=0.3,
    )
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(client.post(PATH, b"[]")))
    thread.start()

    until(lambda: client.abort_overdue() or not thread.is_alive())

    assert "did not answer within" in outcomes[0].reason


@pytest.mark.parametrize("content", [None, b"no certificate", b"\xff\xfe"])
def test_a_ca_file_without_a_certificate_is_refused_at_the_start(tmp_path, content):
    from agent.config import load

    name = tmp_path / "ca.pem"
    if content is not None:
        name.write_bytes(content)
    environ = {
        "DASHBOARD_URL": "https://a.example",
        "API_KEY": "k",
        "AGENT_BACKEND_CA_FILE": str(name),
    }
    (tmp_path / "empty.toml").touch()

    with pytest.raises(ConfigError, match=r"ca\.pem"):
        load(environ, toml_path=tmp_path / "empty.toml", directory=tmp_path)


def test_a_proxy_in_the_environment_is_not_used(fake_server, client_of, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (
        client_of(fake_server.url).post(PATH, b"[]", answer_needed=True).action is Action.ACCEPTED
    )


@pytest.fixture(autouse=True)
def _debug(caplog):
    caplog.set_level(logging.DEBUG, logger="agent")

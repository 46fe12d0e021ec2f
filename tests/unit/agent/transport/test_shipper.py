"""The shipper against a real HTTP server that gives each answer of the fake_server."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from agent.config import Backend, Secret
from agent.lifecycle import EVENTS_ROUTE, SAMPLES_ROUTE, samples_route
from agent.spool import read_summary
from agent.transport.backoff import delay_s, retry_after_s
from agent.transport.client import Action, Client
from agent.transport.refusals import kind_of
from agent.transport.shipper import Shipper
from tests.agent_fixtures import take, waiting_count
from tests.fakes.ingest_server import KEY, FakeServer
from tests.waiting import until


@pytest.fixture
def ship(fake_server, spool, in_thread):
    """Start a shipper of the events; it waits a thousandth of what it should."""
    clients = []

    def start(**settings):
        backend = Backend(url=fake_server.url, api_key=Secret(KEY), **settings)
        client = Client(backend)
        clients.append(client)
        shipper = Shipper([(spool.events, EVENTS_ROUTE)], client, backend, wait_ratio=0.001)
        in_thread(shipper)
        return shipper

    yield start
    for client in clients:
        client.close()


def test_events_are_sent_with_key_numbering_and_gzip_and_leave_the_spool(fake_server, spool, ship):
    take(spool, range(1200))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken == list(range(1, 1201))
    path, headers, body, _ = fake_server.requests[0]
    assert path == "/api/v1/events/ingest"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Encoding"] == "gzip"
    assert len(body["events"]) == 500
    assert len({request[2]["epoch"] for request in fake_server.requests}) == 1


def test_what_is_spooled_later_is_sent_at_once(fake_server, spool, ship):
    ship()

    take(spool, [1])

    until(lambda: fake_server.taken == [1], within_s=5)


def test_samples_are_an_array(fake_server, spool, in_thread):
    backend = Backend(url=fake_server.url, api_key=Secret(KEY))
    client = Client(backend)
    spool.append_sample(b'{"node_id":"a"}')
    spool.append_sample(b'{"node_id":"b"}')

    in_thread(Shipper([(spool.samples, SAMPLES_ROUTE)], client, backend))
    until(lambda: fake_server.requests)

    assert fake_server.requests[0][0] == "/api/v1/metrics/system"
    assert fake_server.requests[0][2] == [{"node_id": "a"}, {"node_id": "b"}]
    client.close()


def test_items_the_server_refuses_are_counted_and_never_sent_again(
    fake_server, spool, ship, tmp_path, caplog
):
    fake_server.answers = [(202, {"queued": 2, "rejected": [{"index": 1, "error": "too old"}]}, {})]
    take(spool, range(3))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert len(fake_server.requests) == 1
    assert read_summary(tmp_path)["events"]["refused"] == 1
    until(lambda: "too old" in caplog.text)  # logged after the acknowledgement


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_failing_server_is_retried_and_nothing_is_lost(fake_server, spool, ship, status):
    fake_server.answers = [(status, None, {"Retry-After": "1"})] * 3
    take(spool, range(10))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken == list(range(1, 11))
    assert len(fake_server.requests) == 4


def test_samples_an_older_server_does_not_know_are_dropped_counted_and_offered_again_later(
    fake_server, spool, in_thread, tmp_path, caplog
):
    fake_server.answers = [(404, {"detail": "Not found."}, {})]
    backend = Backend(url=fake_server.url, api_key=Secret(KEY))
    client = Client(backend)
    for _ in range(3):
        spool.append_sample(b"{}", source="zonemta")
    spool.append_sample(b"{}")
    queue = spool.source_samples["zonemta"]
    shipper = Shipper([(queue, samples_route("zonemta"))], client, backend, wait_ratio=0.0001)

    assert shipper.ship_once() == 3600
    assert shipper.ship_once() is None
    spool.append_sample(b'{"later":1}', source="zonemta")
    in_thread(shipper)
    until(lambda: len(fake_server.requests) == 2)
    until(lambda: queue.peek(max_count=1, max_bytes=1) is None)

    shown = read_summary(tmp_path)
    assert shown["samples_zonemta"]["not_known_to_server"] == 3
    assert shown["samples_zonemta"]["sent"] == 1
    assert shown["samples"]["count"] == 1
    assert fake_server.requests[1][2] == [{"later": 1}]
    assert "older than this agent" in caplog.text
    client.close()


@pytest.mark.parametrize("status", [401, 403, 404, 302, 200])
def test_a_failure_that_a_person_must_fix_keeps_the_events_and_is_logged(
    fake_server, spool, ship, caplog, status
):
    fake_server.answers = [(status, {"detail": "hm"}, {"Location": "http://elsewhere.example/"})]
    take(spool, range(10))

    with caplog.at_level(logging.WARNING):
        ship()
        until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken == list(range(1, 11))
    assert len(fake_server.requests) == 2
    assert str(status) in caplog.text
    assert "DASHBOARD_URL" in caplog.text or "API_KEY" in caplog.text
    assert KEY not in caplog.text


def test_a_batch_too_large_is_halved_until_it_fits(fake_server, spool, ship, tmp_path):
    def judge(body):
        return (202, None) if len(body["events"]) <= 30 else (413, {"detail": "too large"})

    fake_server.answers = [(judge, None, {}) for _ in range(100)]
    take(spool, range(200))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken == list(range(1, 201))
    assert read_summary(tmp_path)["events"]["refused"] == 0


def test_one_event_too_large_by_itself_is_set_aside(fake_server, spool, ship, tmp_path):
    fake_server.answers = [(413, {"detail": "too large"}, {})]
    take(spool, [1])
    ship()
    until(lambda: waiting_count(spool) == 0)

    take(spool, [2])
    until(lambda: fake_server.taken == [2])

    assert read_summary(tmp_path)["events"]["refused"] == 1


@pytest.mark.parametrize(("status", "kept"), [(400, 10), (415, 10), (422, 0)])
def test_a_batch_refused_whole_is_counted_and_not_in_the_way(
    fake_server, spool, ship, tmp_path, *, status, kept
):
    fake_server.answers = [(status, {"detail": "cannot read"}, {})]
    take(spool, range(10))
    ship()
    until(lambda: waiting_count(spool) == 0)

    take(spool, range(10, 12))
    until(lambda: fake_server.taken == [11, 12])

    shown = read_summary(tmp_path)
    assert shown["events"]["refused"] == 10
    assert shown["refused_kept_count"] == kept


def test_drops_are_reported_with_the_next_events_and_once(fake_server, spool, ship):
    take(spool, range(3))
    spool.events.set_aside(spool.events.peek(max_count=2, max_bytes=10**6), "400")

    ship()
    until(lambda: fake_server.taken == [3])
    take(spool, [9])
    until(lambda: fake_server.taken == [3, 4])

    reports = [body.get("dropped") for _, _, body, _ in fake_server.requests]
    assert reports == [[[1, 2]], None]


def test_an_empty_spool_tells_what_was_dropped_until_the_server_has_it(fake_server, spool, ship):
    fake_server.answers = [(503, None, {}), (500, None, {})]
    take(spool, range(3))
    spool.events.set_aside(spool.events.peek(max_count=5, max_bytes=10**6), "400")

    ship()
    until(lambda: spool.events.peek(max_count=1, max_bytes=1) is None)

    bodies = [body for _, _, body, _ in fake_server.requests]
    assert len(bodies) == 3
    for body in bodies:
        assert (body["first_seq"], body["events"], body["dropped"]) == (4, [], [[1, 3]])


def test_a_server_that_will_not_hear_of_drops_is_left_alone_for_a_while(
    fake_server, spool, ship, caplog
):
    fake_server.answers = [(400, None, {})]
    take(spool, [1])
    spool.events.set_aside(spool.events.peek(max_count=5, max_bytes=10**6), "400")

    ship()
    until(lambda: spool.events.peek(max_count=1, max_bytes=1) is None)

    assert len(fake_server.requests) == 2
    assert "reported later" in caplog.text


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_events_that_the_server_never_takes_are_reported_as_dropped(
    fake_server, spool, ship, status
):
    fake_server.answers = [(status, {"detail": "no"}, {})]
    take(spool, [1])

    ship()
    until(lambda: any(body.get("dropped") == [[1, 1]] for _, _, body, _ in fake_server.requests))

    assert fake_server.taken == []


def test_a_server_that_is_not_there_keeps_the_events(spool, in_thread, fake_server, caplog, ship):
    backend = Backend(url="http://127.0.0.1:1", api_key=Secret(KEY))
    client = Client(backend)
    take(spool, range(5))
    stop = in_thread(Shipper([(spool.events, EVENTS_ROUTE)], client, backend, wait_ratio=0.01))
    until(lambda: "not reachable" in caplog.text)
    stop.set()
    client.close()

    assert waiting_count(spool) == 5
    ship()
    until(lambda: fake_server.taken == [1, 2, 3, 4, 5])


def test_a_redirect_is_not_followed_with_the_key(fake_server, spool):
    with FakeServer() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        fake_server.answers = [(307, None, {"Location": other.url + "/api/v1/events/ingest"})]
        client = Client(Backend(url=fake_server.url, api_key=Secret(KEY)))

        outcome = client.post("/api/v1/events/ingest", b"[]")

        client.close()
        other.shutdown()
        thread.join()
    assert outcome.action is Action.KEEP
    assert other.requests == []


def test_waits_double_to_a_minute_and_differ_between_agents():
    middle = [delay_s(failures, 0.5) for failures in range(1, 9)]

    assert middle == [1, 2, 4, 8, 16, 32, 60, 60]
    assert delay_s(10_000, 0.5) == 60
    assert delay_s(3, 0) == pytest.approx(3.2)
    assert delay_s(3, 1) == pytest.approx(4.8)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("86400", 300), (None, None), ("soon", None), ("-1", None)]
)
def test_retry_after_is_taken_within_bounds(header, seconds):
    assert retry_after_s(header) == seconds


AHEAD = "occurred_at 2026-11-21T10:{}:00+00:00 is more than 10 minutes ahead"


def refuse_some(*places, error=AHEAD):
    """Answer 202 and refuse the events at these places, each with a time of its own."""
    rejected = [{"index": place, "error": error.format(10 + place)} for place in places]
    return (202, {"queued": 1, "rejected": rejected}, {})


@pytest.fixture
def retry_soon(monkeypatch):
    monkeypatch.setattr("agent.spool.postponed.RETRY_S", 0.05)
    monkeypatch.setattr("agent.transport.shipper.MAX_IDLE_S", 0.05)


@pytest.mark.usefixtures("retry_soon")
def test_events_refused_for_their_time_wait_apart_and_are_sent_again_under_their_numbers(
    fake_server, spool, ship, tmp_path, caplog
):
    fake_server.answers = [refuse_some(0, 2), refuse_some(0), (503, None, {}), refuse_some(0)]
    take(spool, range(4))

    ship()
    until(lambda: len(fake_server.requests) >= 6)
    until(lambda: read_summary(tmp_path)["events"]["count"] == 0)

    sent = [(body["first_seq"], body["events"]) for _, _, body, _ in fake_server.requests]
    assert (sent[0][0], len(sent[0][1])) == (1, 4)
    assert {number for number, _ in sent[1:]} == {1, 3}
    assert (1, [{"n": 0}]) in sent[1:]
    assert (3, [{"n": 2}]) in sent[1:]
    shown = read_summary(tmp_path)["events"]
    assert (shown["sent"], shown["refused"], shown["postponed"], shown["bytes"]) == (4, 0, 0, 0)
    assert caplog.text.count("timedatectl") == 1
    until(lambda: "accepts all events again" in caplog.text)


def test_postponed_events_do_not_hold_up_the_others(fake_server, spool, ship, tmp_path):
    fake_server.answers = [refuse_some(0)]
    take(spool, [1])
    ship()
    until(lambda: read_summary(tmp_path)["events"]["postponed"] == 1)

    take(spool, [2])
    until(lambda: read_summary(tmp_path)["events"]["sent"] == 1)

    assert {"n": 2} in fake_server.requests[-1][2]["events"]
    shown = read_summary(tmp_path)["events"]
    assert (shown["count"], shown["postponed"], shown["sent"]) == (1, 1, 1)
    assert shown["oldest_seq"] == 1


def test_postponed_events_survive_a_restart(fake_server, spool, make_spool, ship, tmp_path):
    fake_server.answers = [refuse_some(0)]
    take(spool, [1])
    ship()
    until(lambda: read_summary(tmp_path)["events"]["postponed"] == 1)

    again = make_spool()

    assert again.events.peek(max_count=5, max_bytes=1000).bodies == [b'{"n": 1}']


def test_postponed_events_are_the_first_to_go_when_the_spool_is_full(spool, make_spool, tmp_path):
    take(spool, range(4))
    batch = spool.events.peek(max_count=3, max_bytes=1000)
    spool.events.ack(batch, postponed={0, 1, 2})
    used = read_summary(tmp_path)["events"]["bytes"]

    small = make_spool(max_event_bytes=used + 20)
    take(small, [8])

    shown = read_summary(tmp_path)["events"]
    assert (shown["count"], shown["postponed"], shown["dropped"]) == (4, 2, 1)
    assert shown["bytes"] <= used + 20


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ((401, {"detail": "no"}, {}), "API_KEY"),
        ((403, {"detail": "This key speaks for 'b' only."}, {}), "NODE_ID"),
        (
            (
                422,
                {
                    "rejected": [
                        {"index": i, "error": "mta_node: this key speaks for 'b' only"}
                        for i in range(3)
                    ]
                },
                {},
            ),
            "NODE_ID",
        ),
        ((422, {"detail": "mta_node: this key speaks for 'b' only"}, {}), "NODE_ID"),
    ],
)
def test_a_wrong_key_or_node_keeps_all_events_and_is_logged_once_and_when_it_changes(
    fake_server, spool, ship, tmp_path, caplog, *, answer, fix
):
    fake_server.answers = [answer] * 5 + [(404, {"detail": "moved"}, {})] + [answer] * 2
    take(spool, range(3))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken == [1, 2, 3]
    assert len(fake_server.requests) == 9
    assert read_summary(tmp_path)["events"]["refused"] == 0
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2
    assert fix in warnings[0].getMessage()


def test_each_request_carries_this_clock_for_the_server_to_correct_by(
    fake_server, spool, ship, monkeypatch
):
    at = datetime(2026, 11, 21, 10, 7, 13, 433_000, tzinfo=UTC)
    monkeypatch.setattr("agent.clock.utc_now", lambda: at)
    take(spool, [1])

    ship()
    until(lambda: fake_server.requests)

    _, headers, _, _ = fake_server.requests[0]
    assert headers["Date"] == headers["Mallard-Date"] == "Sat, 21 Nov 2026 10:07:13 GMT"


def test_a_clock_ahead_keeps_the_queue_as_it_is_until_it_is_set(
    fake_server, spool, ship, tmp_path, *, caplog, monkeypatch
):
    ahead = timedelta(minutes=11)
    monkeypatch.setattr("agent.clock.utc_now", lambda: datetime.now(UTC) + ahead)

    def judge(body):
        status, content, _ = refuse_some(*range(len(body["events"])))
        return status, content

    fake_server.answers = [(judge, None, {})] * 10
    take(spool, range(20))

    ship()
    until(lambda: waiting_count(spool) == 0)

    assert fake_server.taken[-20:] == list(range(1, 21))
    shown = read_summary(tmp_path)["events"]
    assert (shown["sent"], shown["refused"], shown["postponed"]) == (20, 0, 0)
    assert caplog.text.count("timedatectl set-ntp true.") == 2  # the skew, and the refusal


def test_the_reason_of_the_last_failure_is_known_until_a_success(fake_server, spool, ship, caplog):
    caplog.set_level("INFO")
    fake_server.answers = [(401, {"detail": "no"}, {})] * 3
    take(spool, [1])
    ship()

    until(lambda: "401" in caplog.text)
    until(lambda: "accepts all events again" in caplog.text)


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (AHEAD.format(10), AHEAD.format(59)),
        ("to_address: 'a@b.example' is not one", "to_address: 'c@d.example' is not one"),
    ],
)
def test_refusals_that_differ_in_times_and_addresses_alone_are_one_kind(reason, again):
    assert kind_of(reason) == kind_of(again)

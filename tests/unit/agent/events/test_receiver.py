"""The plugins' endpoint, over a real unix socket."""

import grp
import http.client
import json
import os
import socket
import stat
import threading

import psutil
import pytest

from agent.config import Receiver as ReceiverSettings
from agent.config import Secret
from agent.errors import ReceiverError, SpoolError
from agent.events.receiver.server import Receiver, TcpReceiver
from agent.spool import read_summary
from build.stack.ports import free_port
from tests.agent_fixtures import read_events
from tests.fakes.plugin_connection import Connection, post
from tests.waiting import until


@pytest.fixture
def events(golden):
    return golden("events_batch.json")["events"]


def test_events_are_on_disk_when_202_is_answered(receiver, spool, events):
    status, answer = post(receiver, json.dumps(events))

    assert (status, answer) == (202, {"queued": len(events), "rejected": []})
    assert [e["event_id"] for e in read_events(spool)] == [e["event_id"] for e in events]


def test_drops_of_a_plugin_are_counted_with_its_next_events(receiver, spool, events, tmp_path):
    for dropped in ("0", "4", "4"):
        headers = {"X-Mallard-Process": "sender/default/79", "X-Mallard-Dropped": dropped}
        assert post(receiver, json.dumps(events), headers=headers)[0] == 202

    assert read_summary(tmp_path)["plugin"]["dropped"] == 4


def test_an_event_keeps_fields_unknown_to_this_version_and_gets_its_node(receiver, spool, events):
    post(receiver, json.dumps(events))

    stored = read_events(spool)[-1]
    assert stored == events[-1] | {"mta_node": "mta-01"}


def test_an_event_that_names_its_node_is_left_as_it_is(receiver, spool, events):
    post(receiver, json.dumps([events[0] | {"mta_node": "mta-99"}]))

    assert read_events(spool)[0]["mta_node"] == "mta-99"


def test_one_bad_event_among_a_hundred_is_refused_alone(receiver, spool, events):
    batch = []
    for number in range(100):
        event_id = f"00000000-0000-4000-8000-{number:012}"
        batch.append(events[0] | {"event_id": event_id})
    batch[42] = {"event_type": "sent"}

    status, answer = post(receiver, json.dumps(batch))

    assert (status, answer["queued"]) == (202, 99)
    assert answer["rejected"][0]["index"] == 42
    assert "event_id" in answer["rejected"][0]["error"]
    assert len(read_events(spool)) == 99


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        {},
        {"event_id": "no uuid"},
        {"event_type": "exploded"},
        {"direction": "sideways"},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-11-21T10:07:10"},
        {"padding": "x" * 40_000},
    ],
)
def test_a_wrong_event_is_refused_with_a_reason(receiver, spool, events, bad):
    item = events[0] | bad if isinstance(bad, dict) and bad else bad

    status, answer = post(receiver, json.dumps([item, events[1]]))

    assert (status, answer["queued"]) == (202, 1)
    assert answer["rejected"][0]["index"] == 0
    assert answer["rejected"][0]["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"events": []}', b"[" * 50_000])
def test_a_body_that_is_no_json_array_is_400(receiver, spool, body):
    status, answer = post(receiver, body)

    assert status == 400
    assert "JSON" in answer["error"]


def test_a_body_over_the_limit_is_413_and_not_read(receiver):
    status, _ = post(receiver, b"x" * 1_000_001)

    assert status == 413


def test_a_body_without_a_length_is_400(receiver):
    # Without what would follow: it is refused before, and the connection is closed.
    status, answer = post(receiver, None, headers={"Transfer-Encoding": "chunked"})

    assert status == 400
    assert "Content-Length" in answer["error"]


def test_another_path_is_404(receiver):
    assert post(receiver, b"[]", path="/v2/events")[0] == 404


def test_a_spool_that_cannot_write_is_503(receiver, spool, events, monkeypatch):
    def full(*_, **__):
        raise SpoolError("disk full")

    monkeypatch.setattr(spool.intake, "take_reported", full)

    assert post(receiver, json.dumps(events))[0] == 503


def test_the_health_endpoint_answers(receiver):
    connection = Connection(receiver.path)
    connection.request("GET", "/v1/health")

    assert connection.getresponse().status == 200
    connection.close()


def test_a_connection_serves_many_requests(receiver, spool, events):
    connection = Connection(receiver.path)
    for event in events:
        connection.request("POST", "/v1/events", body=json.dumps([event]))
        response = connection.getresponse()
        assert response.status == 202
        response.read()
    connection.close()

    assert len(read_events(spool)) == len(events)


def test_only_owner_and_group_may_write_to_the_socket(receiver):
    assert stat.S_IMODE(receiver.path.stat().st_mode) == 0o660


def test_the_socket_of_a_killed_agent_is_replaced(spool, directory, in_thread, events):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(directory / "receiver.sock"))
    dead.close()

    made = Receiver(spool, ReceiverSettings(), directory, node="mta-01")
    made.open()
    in_thread(made)

    assert post(made, json.dumps(events))[0] == 202


def test_a_file_in_the_sockets_place_is_left_alone(spool, directory):
    (directory / "receiver.sock").write_text("precious")

    with pytest.raises(ReceiverError, match="AGENT_RUNTIME_DIR"):
        Receiver(spool, ReceiverSettings(), directory, node="mta-01").open()

    assert (directory / "receiver.sock").read_text() == "precious"


def test_a_directory_with_too_long_a_name_is_an_error(spool, tmp_path):
    with pytest.raises(ReceiverError, match="too long"):
        Receiver(spool, ReceiverSettings(), tmp_path / ("d" * 120), node="mta-01").open()


def test_one_connection_too_many_is_503_and_the_others_go_on(spool, directory, in_thread, events):
    made = Receiver(spool, ReceiverSettings(max_connections=2), directory, node="mta-01")
    made.open()
    in_thread(made)
    held = [Connection(made.path) for _ in range(2)]
    for connection in held:
        connection.request("GET", "/v1/health")
        connection.getresponse().read()

    third = Connection(made.path)
    third.connect()
    assert third.sock.recv(100).startswith(b"HTTP/1.1 503")
    third.close()

    held[0].close()
    until(lambda: _is_accepted(made, events))
    held[1].close()


def _is_accepted(receiver, events):
    try:
        return post(receiver, json.dumps(events))[0] == 202
    except (OSError, http.client.HTTPException):
        return False  # the slot is not free yet


def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(spool, directory, in_thread):
    settings = ReceiverSettings(read_timeout_s=0.5)
    made = Receiver(spool, settings, directory, node="mta-01")
    made.open()
    in_thread(made)
    slow = socket.socket(socket.AF_UNIX)
    slow.settimeout(10)
    slow.connect(str(made.path))

    def cut_off():
        try:
            slow.send(b"P")
        except OSError:
            return True
        return False

    until(cut_off)
    slow.close()
    until(lambda: not [t for t in threading.enumerate() if "process_request_thread" in t.name])


TOKEN = "a token of the agent"


@pytest.fixture
def over_tcp(spool, in_thread):
    settings = ReceiverSettings(tcp_port=free_port(), tcp_token=Secret(TOKEN))
    made = TcpReceiver(spool, settings, node="mta-01")
    made.open()
    in_thread(made)
    return settings.tcp_port


def test_on_the_loopback_address_the_token_is_required(over_tcp, spool, events):
    body = json.dumps(events)

    refused = [
        post(over_tcp, body, headers=headers)[0]
        for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Bearer "})
    ]
    taken, _ = post(over_tcp, body, headers={"Authorization": f"Bearer {TOKEN}"})

    assert (refused, taken) == ([401, 401, 401], 202)
    assert len(read_events(spool)) == len(events)


def test_it_listens_on_the_loopback_address_alone(over_tcp):
    listening = {
        connection.laddr
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == over_tcp
    }

    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_a_port_in_use_is_an_error_with_its_fix(over_tcp, spool):
    settings = ReceiverSettings(tcp_port=over_tcp, tcp_token=Secret(TOKEN))

    with pytest.raises(ReceiverError, match="Set tcp_port"):
        TcpReceiver(spool, settings, node="mta-01").open()


def test_the_socket_has_the_configured_mode_and_group(spool, directory, in_thread):
    group = grp.getgrgid(os.getgroups()[-1] if os.getgroups() else os.getgid())
    settings = ReceiverSettings(socket_mode="0606", socket_group=group.gr_name)
    made = Receiver(spool, settings, directory, node="mta-01")
    made.open()
    in_thread(made)

    status = made.path.stat()

    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o606, group.gr_gid)


def test_a_group_that_does_not_exist_is_an_error_and_leaves_nothing_behind(spool, directory):
    settings = ReceiverSettings(socket_group="no-such-group")

    with pytest.raises(ReceiverError, match="no group no-such-group"):
        Receiver(spool, settings, directory, node="mta-01").open()

    assert list(directory.iterdir()) == []

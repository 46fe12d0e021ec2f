"""The doctor: every finding has a line, what is wrong has a fix, and nothing is changed."""

import secrets
import socket
import threading
from datetime import UTC, datetime, timedelta

import pymongo
import pytest

from agent import cli, clock
from agent.collectors.ports import PortWatch, parse_listening
from agent.config import Secret
from agent.doctor.disk import judge_gaps, judge_spool
from agent.doctor.mongodb import examine, judge_oplog
from agent.doctor.plugins import judge_plugins
from agent.doctor.server import judge_answer, judge_skew
from agent.errors import SpoolError
from agent.events.change_stream.database import explain
from agent.events.plugin_reports import PluginReport, record_report
from agent.roles import api_ports_of, ports_of, programs_of
from agent.spool import read_summary
from agent.transport.client import Action, Outcome
from agent.transport.stats import TransportStats
from agent.wire import FailingSends
from tests.agent_fixtures import take
from tests.programs import enable_pre_images
from tests.waiting import until

DAY_S = 86_400


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def judge_summary(directory, now):
    summary = read_summary(directory)
    findings = [*judge_spool(summary, now=now), *judge_plugins(summary["plugin"], now=now)]
    return by_subject(findings)


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """Run `agent doctor` as a person would; return its exit code and output."""

    def run(**variables):
        (tmp_path / "empty.toml").touch()
        settings = {
            "AGENT_CONFIG": str(tmp_path / "empty.toml"),
            "AGENT_STATE_DIR": str(tmp_path),
            "AGENT_RUNTIME_DIR": str(tmp_path),
            "AGENT_SPOOL_MAX_EVENT_BYTES": str(2**20),
            "AGENT_SPOOL_MIN_FREE_BYTES": "0",
            "API_KEY": "hush-hush",
            "NODE_ID": "mta-01",
        } | variables
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        code = cli.main(["doctor"])
        return code, capsys.readouterr().out

    return run


def test_a_server_that_takes_what_is_sent_is_well_and_gets_nothing(call, fake_server):
    code, output = call(DASHBOARD_URL=fake_server.url)

    assert code == 0
    assert "ok      server: " in output
    assert "ok      key: " in output
    assert "ok      clock: " in output
    assert [(path, body) for path, _, body, _ in fake_server.requests] == [
        ("/api/v1/events/ingest", []),
        ("/api/v1/events/ingest", [{"mta_node": "mta-01"}]),  # no event: it lacks every other field
    ]


@pytest.mark.parametrize(
    "answer",
    [
        (403, {"detail": "mta_node: this key speaks for 'mta-02' only"}),
        (422, {"rejected": [{"index": 0, "error": "mta_node: this key speaks for 'mta-02' only"}]}),
    ],
)
def test_a_key_of_another_node_is_a_failure_with_its_remedy(call, fake_server, answer):
    fake_server.answers = [(202, None, {}), (*answer, {})]

    code, output = call(DASHBOARD_URL=fake_server.url)

    assert code == 1
    assert "FAILURE key: The server accepts it, but not for node mta-01" in output
    assert "check API_KEY and NODE_ID" in output
    assert "ok      key" not in output


@pytest.mark.parametrize(
    ("status", "subject", "fix"),
    [
        (401, "key", "API_KEY"),
        (403, "key", "NODE_ID"),
        (404, "server", "DASHBOARD_URL"),
        (500, "server", "DASHBOARD_URL"),
        (400, "server", "http or https"),
        (429, "server", "many agents"),
        (502, "server", "behind it does not"),
        (503, "server", "/health/ready"),
        (302, "server", "final address"),
    ],
)
def test_failures_of_the_server_are_distinguished_and_end_with_code_1(
    call, fake_server, status, subject, fix
):
    fake_server.answers = [(status, {"detail": "no"}, {"Location": "http://x.example/"})]

    code, output = call(DASHBOARD_URL=fake_server.url)

    assert code == 1
    assert f"FAILURE {subject}: " in output
    assert fix in output
    assert "hush-hush" not in output


def test_a_server_that_is_not_there_does_not_keep_the_rest_from_being_looked_at(call):
    code, output = call(DASHBOARD_URL="http://127.0.0.1:1")

    assert code == 1
    assert "FAILURE server: " in output
    for subject in ("receiver", "spool", "disk", "ports"):
        assert f"{subject}: " in output


def test_a_wrong_configuration_has_its_own_exit_code(call):
    assert call(DASHBOARD_URL="dashboard")[0] == 2


def test_foreign_text_cannot_draw_on_the_terminal(call, fake_server):
    fake_server.answers = [(500, {"detail": "\x1b[2J"}, {})]

    assert "\x1b" not in call(DASHBOARD_URL=fake_server.url)[1]


def test_answers_that_are_not_mallards_are_no_good_server():
    strange = Outcome(Action.KEEP, "it answered 200, but not as Mallard does. Look.", " Look.")

    (finding,) = judge_answer(strange, "https://d.example")

    assert (finding.level, finding.fix) == ("failure", "Look.")


def test_the_remedy_of_a_certificate_is_not_replaced_by_a_general_one():
    outcome = Outcome(Action.RETRY, "not reachable. Set ca_file.", " Set ca_file.")

    (finding,) = judge_answer(outcome, "https://d.example")

    assert finding.fix == "Set ca_file."


def test_a_wrong_password_of_mongodb_is_not_called_a_missing_role():
    error = pymongo.errors.OperationFailure("Authentication failed.", 18)

    kind, line = explain(error, where="db.example")

    assert kind == "password"
    assert "refuses user or password" in line
    assert "role" not in line


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (0, "ok", "agrees"),
        (-4, "ok", "agrees"),
        (30, "warning", "30 s ahead of"),
        (-90, "failure", "90 s behind"),
        (None, "warning", "not compared"),
    ],
)
def test_the_skew_of_a_clock_is_reported(ahead_s, level, words):
    finding = judge_skew(None if ahead_s is None else timedelta(seconds=ahead_s))

    assert finding.level == level
    assert words in finding.line


def test_a_wrong_clock_is_reported_once(call, fake_server, monkeypatch, caplog):
    ahead = timedelta(seconds=90)
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + ahead)

    output = call(DASHBOARD_URL=fake_server.url)[1]

    assert "FAILURE clock: " in output
    assert not [each for each in caplog.messages if "This clock" in each]


def test_the_running_agent_is_found_by_its_socket(call, fake_server, receiver):
    output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))[1]

    assert "ok      receiver: " in output


def test_a_source_that_does_not_come_back_is_named(call, fake_server, receiver):
    receiver.stuck = lambda: {"collect-mongodb": 75.3}

    code, output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))

    assert code == 0
    assert "ok      receiver: " in output
    assert "WARNING sources: collect-mongodb of the running agent has been stuck for 75 s" in output


def failing(count, path="/api/v1/events/ingest", **fields):
    """Return the statistics of an agent whose last requests to a path failed."""
    stats = TransportStats()
    stats.record_send(1.0, accepted=True)
    for _ in range(count):
        stats.record_send(1.0, accepted=False)
        values = {"reason": f"https://d.example{path} answered 401: no. Set API_KEY.", **fields}
        at = datetime.now(UTC) - timedelta(minutes=5)
        stats.note_outcome(path, FailingSends(path, 1, at, **values))
    return stats


def test_requests_of_the_running_agent_that_fail_are_a_failure_with_the_last_reason_and_its_remedy(
    call, fake_server, receiver
):
    receiver.sends = failing(72, fix=" Set API_KEY.").sends

    code, output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))

    assert code == 1
    assert (
        "FAILURE sending: The last 72 requests of the running agent to /api/v1/events/ingest"
        " failed, the first 5 min ago: https://d.example/api/v1/events/ingest answered 401: no.\n"
        "          Set API_KEY.\n"
    ) in output


def test_requests_that_failed_and_succeed_again_are_told_with_the_last_reason(
    call, fake_server, receiver
):
    stats = failing(2)
    stats.note_outcome("/api/v1/events/ingest", None)
    receiver.sends = stats.sends

    code, output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))

    assert code == 0
    assert "note    sending: 3 requests since it started; 2 of them failed" in output
    assert "answered 401" in output


def test_samples_that_an_older_server_does_not_know_are_no_failure(call, fake_server, receiver):
    receiver.sends = failing(9, "/api/v1/metrics/redis", status=404).sends

    code, output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))

    assert code == 0
    assert "note    sending: The server is older than this agent" in output
    assert "redis" in output


def test_an_agent_that_sends_well_says_so(call, fake_server, receiver):
    receiver.sends = failing(0).sends

    output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(receiver.path.parent))[1]

    assert "ok      sending: 1 request since it started, none failed." in output


def test_the_doctor_asks_the_agent_that_runs(start_agent, fake_server, call, directory):
    fake_server.judge = lambda path: 503
    start_agent(fake_server.url)
    until(lambda: len(fake_server.requests) >= 3)
    variables = {"AGENT_RUNTIME_DIR": str(directory), "AGENT_STATE_DIR": str(directory)}

    output = until(
        lambda: (
            (text := call(DASHBOARD_URL=fake_server.url, **variables)[1])
            and "sending: The last" in text
            and text
        )
    )

    assert "answered 503" in output.partition("sending: ")[2]


def test_waiting_events_are_named_with_their_age(spool, tmp_path):
    take(spool, range(558))

    (finding,) = judge_spool(read_summary(tmp_path), now=datetime.now(UTC) + timedelta(minutes=9))

    assert finding.level == "warning"
    assert "558 events wait, the oldest for 9 min" in finding.line


def test_a_spool_of_another_user_is_said_to_be_unreadable(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_file", refuse)

    with pytest.raises(SpoolError, match=r"cannot be read \(Permission denied\)\. Run this as"):
        read_summary(tmp_path)


def test_another_program_at_the_receivers_socket_is_not_taken_for_the_agent(
    call, fake_server, directory
):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(directory / "receiver.sock"))
        other.listen()
        thread = threading.Thread(target=answer_once, args=(other,), daemon=True)
        thread.start()

        output = call(DASHBOARD_URL=fake_server.url, AGENT_RUNTIME_DIR=str(directory))[1]
        thread.join(10)

    assert "FAILURE receiver: " in output


def answer_once(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")


def test_the_spool_says_what_waits_what_was_lost_and_whether_a_plugin_speaks(spool, tmp_path):
    now = datetime.now(UTC)
    silent = judge_summary(tmp_path, now)
    take(spool, range(3))
    with spool.begin() as tx:
        record_report(tx, PluginReport("main/1", 2), clock.now_ms())
    later = judge_summary(tmp_path, now + timedelta(hours=2))

    assert silent["spool"].level == "ok"
    assert "never" not in silent["spool"].line
    assert (silent["plugin"].level, later["spool"].level) == ("warning", "warning")
    assert "3 events wait" in later["spool"].line
    assert "dropped 2" in later["plugin"].line


def test_a_spool_that_a_plugin_speaks_to_is_well(spool, tmp_path):
    with spool.begin() as tx:
        record_report(tx, PluginReport("main/1", 0), clock.now_ms())

    findings = judge_summary(tmp_path, datetime.now(UTC))

    assert {finding.level for finding in findings.values()} == {"ok"}


@pytest.mark.parametrize(
    ("reach_s", "used", "level", "words"),
    [
        (2 * DAY_S, 100, "ok", "48.0 h"),
        (3600, 100, "warning", "size: 2401"),
        (3600, 1, "ok", "100.0 h when full"),
        (3600, 50, "note", "50% full"),
        (60, 1, "note", "too early"),
    ],
)
def test_an_oplog_is_judged_by_a_day_of_outage(reach_s, used, level, words):
    finding = judge_oplog(reach_s=reach_s, used_bytes=used * 2**20, max_bytes=100 * 2**20)

    assert finding.level == level
    assert words in finding.line + finding.fix


def test_an_unreachable_mongodb_is_named_without_its_password():
    uri = Secret("mongodb://u:hush-hush@127.0.0.1:1/zone-mta?serverSelectionTimeoutMS=100")

    (finding,) = examine(uri)

    assert finding.level == "failure"
    assert "127.0.0.1:1/zone-mta" in finding.line
    assert "hush-hush" not in finding.line + finding.fix
    assert "AGENT_ZONEMTA_MONGODB_URI" in finding.fix


@pytest.mark.stack
def test_a_real_mongodb_is_examined_down_to_the_oplog(mongodb):
    name = f"zone-mta-{secrets.token_hex(4)}"
    uri = Secret(mongodb.uri_of(name))
    absent = by_subject(examine(uri))
    with pymongo.MongoClient(mongodb.uri) as client:
        client[name].create_collection("zone-queue")
        client[name].create_collection("mail.files")
        off = by_subject(examine(uri))
        enable_pre_images(mongodb, name, ("zone-queue", "mail.files"))
        on = by_subject(examine(uri))
        client.drop_database(name)

    assert absent["mail queue"].level == "warning"
    assert off["pre-images"].level == "warning"
    assert "collMod" in off["pre-images"].fix
    assert on["pre-images"].level == "ok"
    for subject in ("mongodb", "replica set", "mongodb rights"):
        assert on[subject].level == "ok"
    assert "oplog" in on


# Roles and ports


def test_a_role_names_programs_and_they_have_ports():
    assert programs_of("zonemta-outbound") == ("zonemta",)
    assert programs_of("Haraka inbound + rspamd") == ("haraka", "rspamd")
    assert programs_of("zone-mta") == ("zonemta",)
    assert programs_of("") == programs_of("backup") == ()
    assert ports_of(("haraka",)) == (25,)
    assert ports_of(("wildduck",), "465, 993,99999,0") == (465, 993, 995)
    assert ports_of(("wildduck",), "465, -993, -110") == (465, 995)


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("http://127.0.0.1:12081", (587, 12081)),
        ("http://localhost", (80, 587)),
        ("http://10.0.0.21:12080", (587,)),
        ("http://127.0.0.1:99999", (587, 12080)),
    ],
)
def test_the_port_of_an_api_is_the_configured_one(url, ports):
    assert ports_of(("zonemta",), "", api_ports_of({12080: url})) == ports


def test_where_a_port_is_listened_on_is_read_from_the_kernels_table():
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue\n"
        "   0: 0100007F:2F30 00000000:0000 0A 00000000:00000000 00:0\n"
        "   1: 00000000:0019 00000000:0000 0A 00000000:00000000 00:0\n"
        "   2: 0100007F:2F30 0100007F:9999 01 00000000:00000000 00:0\n"
        "   3: 0A00000A:0019 00000000:0000 0A\n"
        "   x: gibberish\n   4: zz:zz 0:0 0A\n"
    )
    six = (
        "  sl  local_address remote_address st\n"
        "   0: 00000000000000000000000001000000:03E1 0:0 0A x\n"
    )

    assert parse_listening(table, six) == {
        12080: ["127.0.0.1"],
        25: ["127.0.0.1", "10.0.0.10"],
        993: ["::1"],
    }


def test_ports_are_tried_by_connecting():
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.2", 0)) as second,
        socket.create_server(("127.0.0.1", 0)) as third,
    ):
        closed = third.getsockname()[1]
        third.close()
        numbers = [first.getsockname()[1], second.getsockname()[1], closed]

        watch = PortWatch()
        answers = watch.finish(watch.begin(numbers))

    assert list(answers.values()) == [True, True, False]


def test_a_container_without_the_kernels_table_is_tried_on_loopback(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        watch = PortWatch(proc=tmp_path)
        assert watch.finish(watch.begin([port])) == {port: True}


def test_a_role_without_a_change_stream_or_open_ports_is_warned_of(call, fake_server):
    output = call(DASHBOARD_URL=fake_server.url, NODE_ROLE="zonemta")[1]

    assert "WARNING mongodb: No change stream" in output
    assert "WARNING ports: " in output


def test_a_gap_of_the_change_stream_is_reported_for_a_week():
    gap = {
        "from_at": "2026-11-21T10:00:00+00:00",
        "to_at": "2026-11-21T11:00:00+00:00",
        "reason": "MongoDB's oplog no longer reaches back to it",
        "lost_count": 3,
    }

    (finding,) = judge_gaps([gap], now=datetime(2026, 11, 25, tzinfo=UTC))

    assert finding.level == "warning"
    assert "10:00:00" in finding.line
    assert "oplog" in finding.line
    assert "queue in it: 3" in finding.line
    assert list(judge_gaps([gap], now=datetime(2026, 12, 25, tzinfo=UTC))) == []

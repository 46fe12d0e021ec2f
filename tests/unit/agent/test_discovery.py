"""Programs are discovered, remembered, and forgotten after a long absence."""

import json
from types import SimpleNamespace

import pytest

from agent import clock
from agent.collectors import greetings
from agent.collectors.greetings import read_greetings
from agent.config import Config, Secret
from agent.config import Discovery as Settings
from agent.discovery import Discovery
from agent.roles import PROGRAMS, programs_of, role_of
from agent.status import AgentStatus
from tests.fakes.local_server import Site, Talker

NOBODY = "http://127.0.0.1:1"
NOWHERE = {
    "zonemta_api_url": NOBODY,
    "wildduck_api_url": NOBODY,
    "rspamd_url": NOBODY,
    "redis_url": Secret("redis://127.0.0.1:1"),
    "mongodb_uri": Secret("mongodb://127.0.0.1:1/"),
}
ZONEMTA = b"220 mta ESMTP Welcome to feeder! [@zone-eu/zone-mta/3.11.0]\r\n"


@pytest.fixture
def proc(tmp_path):
    """A machine without processes, whose ports are those a test writes down."""
    folder = tmp_path / "proc"
    (folder / "net").mkdir(parents=True)

    def listen(*ports):
        rows = [f"0: 0100007F:{port:04X} 00000000:0000 0A 0" for port in ports]
        (folder / "net" / "tcp").write_text("\n".join(["head", *rows]))

    folder_and = type("Proc", (), {"path": folder, "listen": staticmethod(listen)})
    return folder_and


def make(tmp_path, proc, **settings):
    discovery = Settings(**(NOWHERE | settings))
    config = Config(node_id="a", state_dir=str(tmp_path), discovery=discovery)
    return Discovery(config, proc=proc.path)


def test_a_machine_without_mail_programs_has_no_role(tmp_path, proc):
    discovered = make(tmp_path, proc).discover()

    assert (discovered.programs, discovered.role) == ((), "")
    assert discovered.versions.keys() <= {"os"}


def test_a_program_is_found_by_the_greeting_of_its_port(tmp_path, proc):
    with Talker(greeting=ZONEMTA) as smtp:
        proc.listen(smtp.port)
        discovered = make(tmp_path, proc, ports=str(smtp.port)).discover()

    assert (discovered.programs, discovered.role) == (("zonemta",), "zonemta-outbound")
    assert discovered.versions["zonemta"] == "3.11.0"
    # Who only hangs up stands in the program's log.
    assert smtp.received == [b"QUIT\r\n"]


def test_programs_are_found_by_what_their_apis_answer(tmp_path, proc):
    with Site() as site:
        site.answers |= {
            "/zones": (200, '[{"name":"bounces"},{"name":"default"}]'),
            "/health": (403, '{"code":"InvalidToken","message":"Invalid accessToken value"}'),
        }
        urls = {"zonemta_api_url": site.url, "wildduck_api_url": site.url}
        discovered = make(tmp_path, proc, **urls).discover()

    assert discovered.role == "zonemta-outbound+wildduck"


def test_a_haraka_that_greets_nobody_is_known_by_its_plugin(tmp_path, proc):
    config = Config(node_id="a", state_dir=str(tmp_path), discovery=Settings(**NOWHERE))
    processes = [{"process": "1", "version": "3.3.4"}]
    status = AgentStatus(plugins=SimpleNamespace(haraka_processes=lambda: processes))

    discovered = Discovery(config, status=status, proc=proc.path).discover()

    assert (discovered.role, discovered.versions["haraka"]) == ("haraka-inbound", "3.3.4")


@pytest.mark.parametrize("text", ["[]", "[5]", "{}", "null", '[{"id":1}]', "[" * 100_000, "<html>"])
def test_another_programs_answers_find_nothing(tmp_path, proc, text):
    with Site() as site:
        site.answers |= {"/zones": (200, text), "/health": (200, text), "/ping": (200, text)}
        urls = {"zonemta_api_url": site.url, "wildduck_api_url": site.url, "rspamd_url": site.url}
        discovered = make(tmp_path, proc, **urls).discover()

    assert discovered.programs == ()


def test_what_a_wrong_clock_wrote_down_is_not_kept_for_ever(tmp_path, proc, monkeypatch):
    now_ms = clock.now_ms()
    kept = {"haraka": [now_ms // 1000 + 10 * 365 * 86_400, "3.3.4"]}
    (tmp_path / "discovery.json").write_text(json.dumps(kept))
    subject = make(tmp_path, proc)

    assert subject.discover().programs == ("haraka",)
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + 8 * 86_400_000)
    assert subject.discover().programs == ()


def test_a_discovered_program_is_logged_once(tmp_path, proc, caplog):
    (tmp_path / "discovery.json").write_text("{}")
    with Talker(greeting=ZONEMTA) as smtp, caplog.at_level("INFO"):
        proc.listen(smtp.port)
        subject = make(tmp_path, proc, ports=str(smtp.port))
        subject.discover()
        subject.discover()

    assert caplog.text.count("This node runs zonemta 3.11.0.") == 1


def test_apis_of_another_machine_say_nothing_of_this_one(tmp_path, proc):
    settings = {"redis_url": Secret("redis://10.255.255.1:6379"), "rspamd_url": "http://mail:11334"}

    assert make(tmp_path, proc, **settings).discover().programs == ()


def test_a_redis_that_wants_a_password_is_a_redis(tmp_path, proc):
    with Talker(b"-NOAUTH Authentication required.\r\n") as redis:
        url = Secret(f"redis://127.0.0.1:{redis.port}")
        discovered = make(tmp_path, proc, redis_url=url).discover()

    assert discovered.programs == ("redis",)
    assert "redis" not in discovered.versions


def test_a_program_that_died_stays_known_also_to_the_next_agent(tmp_path, proc, caplog):
    with Talker(greeting=ZONEMTA) as smtp:
        proc.listen(smtp.port)
        first = make(tmp_path, proc, ports=str(smtp.port))
        first.discover()
    proc.listen()

    assert first.discover().programs == ("zonemta",)
    assert make(tmp_path, proc).programs == ("zonemta",)
    assert make(tmp_path, proc).discover().versions["zonemta"] == "3.11.0"


def test_a_program_that_is_gone_for_a_week_is_forgotten(tmp_path, proc, monkeypatch):
    now_s = clock.now_ms() // 1000
    kept = {"haraka": [now_s - 8 * 86_400, "3.3.4"], "redis": [now_s - 6 * 86_400, None]}
    (tmp_path / "discovery.json").write_text(json.dumps(kept))

    assert make(tmp_path, proc).discover().programs == ("redis",)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"redis": 5}', '{"redis": ["x", "1"]}', '{"nginx": [1, "1"]}']
)
def test_what_was_kept_and_is_damaged_is_found_again(tmp_path, proc, text):
    (tmp_path / "discovery.json").write_text(text)

    assert make(tmp_path, proc).discover().programs == ()


def test_ports_that_say_nothing_are_given_up(monkeypatch):
    monkeypatch.setattr(greetings, "DEADLINE_S", 0.3)
    with (
        Talker() as silent,
        Talker(greeting=b"220 no end") as slow,
        Talker(greeting=ZONEMTA) as good,
    ):
        discovered = read_greetings([silent.port, slow.port, good.port, 1], {})

    assert discovered == {good.port: ZONEMTA.decode().strip()}


@pytest.mark.parametrize("programs", [(), ("redis",), ("zonemta", "wildduck"), PROGRAMS])
def test_the_role_that_programs_make_names_those_programs(programs):
    assert programs_of(role_of(programs)) == tuple(programs)
    assert len(role_of(programs)) <= 64


def test_the_longest_role_fits_where_it_is_kept():
    for left_out in PROGRAMS:
        role = role_of(program for program in PROGRAMS if program != left_out)
        assert len(role) <= 64
        assert len(programs_of(role)) == 5

"""Redis's collector against real ones, and against what is none."""

import json

import pytest
import redis as library

from agent.collectors import redis
from agent.collectors.redis import RedisCollector, query
from agent.config import Config, Discovery, Secret
from agent.errors import CollectError, SourceAbsent
from build.stack import redis as stack
from build.stack.ports import free_port
from build.stack.supervisor import Program, Supervisor
from tests.fakes.certificates import make_certificate
from tests.fakes.local_server import Talker
from tests.programs import run_service

NOBODY = "redis://127.0.0.1:1"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with run_service(stack.start, tmp_path_factory.mktemp("redis")) as running:
        yield running


def collector(url, **more):
    discovery = Discovery(redis_url=Secret(url), **more)
    return RedisCollector(Config(node_id="mta-01", discovery=discovery))


def test_a_sample_of_a_real_redis_has_exactly_the_published_names(server, golden):
    contract = golden("metrics_redis.json")
    with library.Redis(port=server.port) as client:
        client.set("a", "b")

    sample = json.loads(collector(server.url).collect())

    assert sample.keys() == contract.keys()
    assert sample["redis"].keys() == contract["redis"].keys()
    assert sample["redis"]["role"] == "master"
    assert sample["redis"]["keys_count"] == 1


def test_a_redis_with_users_wants_the_right_one(server, caplog):
    with library.Redis(port=server.port) as client:
        client.execute_command("ACL SETUSER mallard on >p%s/w:rd +ping +info")
        client.execute_command("ACL SETUSER nobody on >pw -@all +auth")
        place = f"127.0.0.1:{server.port}"

        sample = json.loads(collector(f"redis://mallard:p%25s%2Fw%3Ard@{place}").collect())
        with pytest.raises(CollectError, match="Give the user the right to it: ACL SETUSER"):
            collector(f"redis://nobody:pw@{place}").collect()
        with pytest.raises(CollectError, match="Correct user and password") as refused:
            collector(f"redis://mallard:hush@{place}").collect()

    assert sample["redis"]["version"]
    assert "hush" not in str(refused.value)


def test_a_redis_with_one_password_says_what_to_set(tmp_path):
    port = free_port()
    home = tmp_path / "redis"
    home.mkdir()
    argv = [stack.server_program(home), "--port", str(port), "--dir", home, "--save", ""]
    program = Program(
        name="redis",
        argv=[*argv, "--requirepass", "secret", "--unixsocket", home / "redis.sock"],
        is_ready=(home / "redis.sock").exists,
    )
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program)

        with pytest.raises(CollectError, match="Put user and password into redis_url"):
            collector(f"redis://127.0.0.1:{port}").collect()
        assert json.loads(collector(f"redis://:secret@127.0.0.1:{port}").collect())
        assert json.loads(collector(f"unix://:secret@{home}/redis.sock").collect())


def test_a_redis_behind_tls_is_read_with_its_authority_known(tmp_path, monkeypatch):
    made = make_certificate(tmp_path)
    key, certificate = made.key, made.certificate
    port = free_port()
    home = tmp_path / "redis"
    home.mkdir()
    argv = [stack.server_program(home), "--port", "0", "--tls-port", str(port), "--dir", home]
    argv += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file"]
    argv += [certificate, "--tls-auth-clients", "no", "--save", ""]
    url = Secret(f"rediss://127.0.0.1:{port}")

    def is_ready():
        try:
            return query(url, "PING") == "PONG"
        except CollectError as error:
            return "certificate" in str(error)

    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Program(name="redis", argv=argv, is_ready=is_ready))
        with pytest.raises(CollectError, match=r"certificate verify failed.*Set ca_file"):
            collector(url.reveal()).collect()
        known = collector(url.reveal(), ca_file=str(certificate))
        assert json.loads(known.collect())["redis"]["version"]
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        assert json.loads(collector(url.reveal()).collect())["redis"]["version"]


@pytest.mark.parametrize("url", [NOBODY, "unix:///nowhere/redis.sock", ""])
def test_no_redis_at_all_is_no_failure(url):
    with pytest.raises(SourceAbsent):
        collector(url).collect()


@pytest.mark.parametrize(
    "answer",
    [
        *(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mx ESMTP\r\n", b"$9999999999\r\n"),
        *(b"x" * 10_000, b"$-1\r\n", b"*2\r\n", b"$5x\r\n", b":1\r\n"),
    ],
)
def test_another_program_on_the_port_is_a_reported_failure(answer):
    with Talker(answer) as other, pytest.raises(CollectError, match="not Redis"):
        collector(f"redis://127.0.0.1:{other.port}").collect()


def test_an_answer_that_is_no_info_is_a_failure():
    with Talker(b"$2\r\nhi\r\n") as other, pytest.raises(CollectError, match="cannot be read"):
        collector(f"redis://127.0.0.1:{other.port}").collect()


def test_a_redis_that_hangs_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(redis, "DEADLINE_S", 0.3)
    for parts in ([], [b"$100\r\nredis_ver"]):
        with Talker(*parts) as other, pytest.raises(CollectError, match="in time"):
            collector(f"redis://127.0.0.1:{other.port}").collect()


def test_a_redis_that_goes_away_in_the_middle_is_a_failure():
    with (
        Talker(b"$100\r\nredis", closes=True) as other,
        pytest.raises(CollectError, match="closed"),
    ):
        collector(f"redis://127.0.0.1:{other.port}").collect()

"""Rspamd's collector against its recorded answers and a real one."""

import json
from contextlib import closing

import pytest

from agent.collectors import local_http
from agent.collectors.rspamd import RspamdCollector
from agent.config import Config, Discovery, Secret
from agent.errors import CollectError, SourceAbsent
from build.stack import redis as redis_stack
from build.stack import rspamd as rspamd_stack
from build.stack.supervisor import Supervisor
from tests.fakes.local_server import Dripping, Site, Talker
from tests.recorded import RSPAMD_STAT


@pytest.fixture
def site():
    with Site() as running:
        running.answers["/stat"] = (200, RSPAMD_STAT)
        yield running


def collect(url, password=""):
    discovery = Discovery(rspamd_url=url, rspamd_password=Secret(password))
    with closing(RspamdCollector(Config(node_id="mta-01", discovery=discovery))) as collector:
        return json.loads(collector.collect())


def test_a_sample_has_exactly_the_published_names(site, golden):
    contract = golden("metrics_rspamd.json")

    sample = collect(site.url)

    assert sample.keys() == contract.keys()
    assert sample["rspamd"].keys() == contract["rspamd"].keys()
    assert sample["rspamd"]["actions"] == contract["rspamd"]["actions"]


def test_the_password_is_sent_where_there_is_one(site):
    collect(site.url)
    collect(site.url, "secret")

    assert [headers.get("Password") for _, headers in site.requests] == [None, "secret"]


def test_a_missing_password_is_reported_with_the_setting(site):
    site.answers["/stat"] = (401, '{"error":"Unauthorized"}')

    with pytest.raises(CollectError, match="rspamd_password"):
        collect(site.url)


def test_the_scanners_port_is_reported_as_the_wrong_one(site):
    site.answers["/stat"] = (500, "invalid command")

    with pytest.raises(CollectError, match="11334"):
        collect(site.url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", ""])
def test_no_rspamd_at_all_is_no_failure(url):
    with pytest.raises(SourceAbsent):
        collect(url)


@pytest.mark.parametrize("text", ["", "<html>", RSPAMD_STAT[:-40], "{}", "[" * 100_000])
def test_an_answer_that_is_none_is_a_failure(site, text):
    site.answers["/stat"] = (200, text)

    with pytest.raises(CollectError, match="cannot be read"):
        collect(site.url)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"],
    ids=["nothing", "in its header", "in its body"],
)
def test_a_program_that_goes_silent_is_given_up(monkeypatch, data):
    monkeypatch.setattr(local_http, "READ_TIMEOUT_S", 0.2)
    with Talker(data) as other, pytest.raises(CollectError, match="no complete response"):
        collect(f"http://127.0.0.1:{other.port}")


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_given_up(monkeypatch, start):
    monkeypatch.setattr(local_http, "DEADLINE_S", 0.5)
    with Dripping(start) as other, pytest.raises(CollectError, match="no complete response"):
        collect(f"http://127.0.0.1:{other.port}")


def test_an_answer_without_end_is_given_up(monkeypatch, site):
    monkeypatch.setattr(local_http, "MAX_ANSWER_BYTES", 1000)
    site.answers["/stat"] = (200, "x" * 5000)

    with pytest.raises(CollectError, match="more than 1000 bytes"):
        collect(site.url)


@pytest.mark.stack
@pytest.mark.skipif(not rspamd_stack.is_installed(), reason="no Rspamd on this system")
def test_a_real_rspamd_is_read(tmp_path):
    with Supervisor(tmp_path) as supervisor:
        redis = redis_stack.start(supervisor, tmp_path)
        rspamd = rspamd_stack.start(supervisor, tmp_path, redis_port=redis.port)
        sample = collect(f"http://127.0.0.1:{rspamd.controller_port}")["rspamd"]
        with pytest.raises(CollectError, match="controller"):
            collect(f"http://127.0.0.1:{rspamd.scan_port}")

    assert sample["version"]
    assert sample["scanned_total"] == 0
    assert {action["action"] for action in sample["actions"]} >= {"reject", "greylist"}

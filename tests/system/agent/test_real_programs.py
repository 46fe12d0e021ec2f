"""The programs of a mail node, real ones, found and read as the agent does it."""

import json
from contextlib import closing

import pytest

from agent.collectors import build_collectors
from agent.config import Config, Secret
from agent.config import Discovery as Settings
from agent.discovery import Discovery
from build.stack import haraka as haraka_stack
from build.stack import mongodb as mongodb_stack
from build.stack import redis as redis_stack
from build.stack import rspamd as rspamd_stack
from build.stack import sink as sink_stack
from build.stack import wildduck as wildduck_stack
from build.stack import zonemta as zonemta_stack
from build.stack.supervisor import Supervisor

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not rspamd_stack.is_installed(), reason="no Rspamd on this system"),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The configuration of a node on which they all run."""
    directory = tmp_path_factory.mktemp("node")
    with Supervisor(directory) as supervisor:
        mongodb = mongodb_stack.start(supervisor, directory)
        redis = redis_stack.start(supervisor, directory)
        rspamd = rspamd_stack.start(supervisor, directory, redis_port=redis.port)
        sink = sink_stack.start(supervisor)
        haraka = haraka_stack.start(supervisor, directory, sink_port=sink.port)
        queue = mongodb.uri_of(zonemta_stack.DATABASE)
        zonemta = zonemta_stack.start(
            supervisor, directory, mongo_uri=queue, redis_port=redis.port, sink_port=sink.port
        )
        users = mongodb.uri_of(wildduck_stack.DATABASE)
        wildduck = wildduck_stack.start(
            supervisor, directory, mongo_uri=users, redis_port=redis.port
        )
        settings = Settings(
            zonemta_api_url=f"http://127.0.0.1:{zonemta.api_port}",
            zonemta_mongodb_uri=Secret(queue),
            wildduck_api_url=wildduck.api_url,
            wildduck_metrics_url=wildduck.metrics_url,
            wildduck_token=Secret(wildduck.token),
            wildduck_mongodb_uri=Secret(users),
            rspamd_url=f"http://127.0.0.1:{rspamd.controller_port}",
            redis_url=Secret(redis.url),
            ports=f"{haraka.smtp_port}, {zonemta.smtp_port}, {wildduck.imap_port}",
        )
        yield Config(
            node_id="mta-01",
            node_role="zonemta+haraka+wildduck+rspamd",
            state_dir=str(directory),
            discovery=settings,
        )


def test_they_are_found_with_their_versions(config):
    discovered = Discovery(config).discover()

    names = {"zonemta", "haraka", "wildduck", "rspamd", "redis", "mongodb"}
    versions = {"zonemta": "3.11.0", "wildduck": "1.51.1", "mongodb": "6.0.5"}
    assert set(discovered.programs) >= names
    assert discovered.versions.items() >= versions.items()
    assert discovered.versions.keys() >= {"rspamd", "redis"}


@pytest.mark.parametrize("name", ["zonemta", "wildduck", "rspamd", "redis", "mongodb"])
def test_each_is_read_whole(config, name, golden):
    contract = golden(f"metrics_{name}.json")
    (collector,) = [made for made in build_collectors(config) if made.name == name]

    with closing(collector):
        sample = json.loads(collector.collect())

    assert sample.keys() == contract.keys()
    assert sample[name].keys() == contract[name].keys()
    if name == "zonemta":
        assert sample["queue"].keys() == contract["queue"].keys()
        assert sample["queue"]["source"] == "mongodb"
        assert sample["zonemta"]["started_at_s"] > 1_700_000_000
    if name == "wildduck":
        assert (sample["wildduck"]["is_healthy"], sample["wildduck"]["source"]) == (True, "mongodb")


def test_their_processes_run_and_their_ports_take_connections(config):
    machine = build_collectors(config)[0]
    machine.collect()

    sample = json.loads(machine.collect())

    for program in ("zonemta", "haraka", "wildduck", "rspamd", "redis", "mongodb"):
        its = sample["processes"][program]
        assert its["status"] == "running", program
        assert its["processes_count"] >= 1
        assert its["memory_mb"] > 1
    for port in config.discovery.ports.split(", "):
        assert sample["services"][f"port_{port}"] is True

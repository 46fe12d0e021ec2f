"""Programs of this node behind TLS."""

import json
from contextlib import closing

import pytest

from agent.collectors.local_http import LocalHttp
from agent.collectors.rspamd import RspamdCollector
from agent.collectors.wildduck import WildDuckCollector
from agent.config import Config, Discovery
from agent.errors import CollectError, SourceAbsent
from tests.fakes.certificates import make_certificate
from tests.fakes.local_server import Site
from tests.recorded import RSPAMD_STAT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(certificate):
    with Site(tls=certificate.server_context()) as running:
        yield running


def test_a_program_of_an_unknown_authority_is_not_read_and_the_remedy_is_named(site):
    with (
        closing(LocalHttp(site.url, what="Rspamd")) as http,
        pytest.raises(CollectError, match="Set ca_file of \\[discovery\\]"),
    ):
        http.get("/stat")


def test_a_wildduck_of_an_unknown_authority_is_not_called_absent(site, tmp_path):
    discovery = Discovery(wildduck_api_url=site.url, wildduck_metrics_url="")
    config = Config(node_id="mta-01", state_dir=str(tmp_path), discovery=discovery)

    with (
        closing(WildDuckCollector(config)) as wildduck,
        pytest.raises(CollectError, match="Set ca_file") as failed,
    ):
        wildduck.collect()

    assert not isinstance(failed.value, SourceAbsent)


def test_the_authority_of_ca_file_is_trusted_for_rspamd_and_wildduck(
    site, certificate, monkeypatch, tmp_path
):
    site.answers["/stat"] = 200, RSPAMD_STAT
    site.answers["/health"] = 200, json.dumps({"success": True, "version": "1.51.1"})
    config = Config(
        node_id="mta-01",
        state_dir=str(tmp_path),
        discovery=Discovery(
            rspamd_url=site.url,
            wildduck_api_url=site.url,
            wildduck_metrics_url="",
            ca_file=str(certificate.certificate),
        ),
    )

    with closing(RspamdCollector(config)) as rspamd, closing(WildDuckCollector(config)) as wildduck:
        assert json.loads(rspamd.collect())["rspamd"]["scanned_total"] > 0
        assert json.loads(wildduck.collect())["wildduck"]["is_healthy"] is True

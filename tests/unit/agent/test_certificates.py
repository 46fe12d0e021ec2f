"""Fixes of refused certificates, by what is wrong with them."""

import pytest

from agent.config import Backend, Secret
from agent.errors import certificate_fault, certificate_fix
from agent.transport.client import Client

BEGIN = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
# As Python 3.11 and OpenSSL 3 write them.
ERRORS = {
    "certificate has expired (_ssl.c:1006)": "time",
    "certificate is not yet valid (_ssl.c:1006)": "time",
    "Hostname mismatch, certificate is not valid for 'db.example'. (_ssl.c:1006)": "name",
    "IP address mismatch, certificate is not valid for '127.0.0.1'. (_ssl.c:1006)": "name",
    "self-signed certificate (_ssl.c:1006)": "authority",
    "unable to get local issuer certificate (_ssl.c:1006)": "authority",
}


@pytest.mark.parametrize(("text", "fault"), ERRORS.items(), ids=range(len(ERRORS)))
def test_a_refused_certificate_is_renewed_renamed_or_trusted(text, fault):
    assert certificate_fault(BEGIN + text) == fault
    assert ("ca_file" in certificate_fix(BEGIN + text)) == (fault == "authority")


def test_any_other_error_has_no_fix_of_a_certificate():
    assert certificate_fault("[Errno 111] Connection refused") is None
    assert certificate_fix("[Errno 111] Connection refused") == ""


def test_a_port_without_tls_is_named_so(fake_server):
    url = fake_server.url.replace("http://", "https://")
    client = Client(Backend(url=url, api_key=Secret("k")))

    outcome = client.post("/api/v1/events/ingest", b"[]")
    client.close()

    assert "Nothing speaks TLS there" in outcome.fix
    assert "ca_file" not in outcome.reason

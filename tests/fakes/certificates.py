"""A certificate of an authority that no store knows: its own."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 in PEM files: alone, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate (apt-get install openssl)")
    made = Certificate(folder / "cert.pem", folder / "key.pem", folder / "both.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-days", "30"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=mallard.test"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made.key),
            *("-out", made.certificate),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    made.both.write_text(made.certificate.read_text() + made.key.read_text())
    return made

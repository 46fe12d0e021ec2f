"""Mail by a real SMTP server: STARTTLS, login, refused recipients, a relay that is down."""

import contextlib
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.utils import timezone

from build.stack.ports import free_port
from server.alerts.models import Channel, DeliveryAttempt
from server.alerts.notifications import sender, smtp, store
from server.alerts.notifications.forms import find_warning
from server.nodes.models import Node
from tests.fakes.certificates import make_certificate
from tests.fakes.local_server import Dripping

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse"


class Mailbox:
    """Takes mail, but not for those who begin with `no`."""

    def __init__(self):
        self.mails = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if address.startswith("no"):
            return "550 5.1.1 <b>no such user</b>"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.NOTIFICATION_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("relay"))


@contextlib.contextmanager
def run_relay(certificate):
    """Run a relay that wants STARTTLS and a login; yield its port and its mailbox."""
    mailbox = Mailbox()

    def authenticate(_server, _session, _envelope, _mechanism, data):
        is_right = (data.login, data.password) == (b"ops", PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)  # the server replies

    relay = Controller(
        mailbox, hostname="127.0.0.1", port=free_port(), tls_context=certificate.server_context(),
        require_starttls=True, authenticator=authenticate, auth_required=True,
    )  # fmt: skip
    relay.start()
    try:
        yield relay.port, mailbox
    finally:
        relay.stop()


def make_channel(port, *, to="ops@example.org", **values):
    fields = {
        "host": "127.0.0.1", "port": str(port), "security": "starttls", "user": "ops",
        "password": PASSWORD, "sender": "mallard@example.org", "recipients": to,
    }  # fmt: skip
    return store.save_channel(Channel(kind="mail"), fields | values, name="mail")


def attempt(channel):
    """Send a test by a channel; return the notification and its attempt."""
    row = store.send_test(channel, timezone.now() - timedelta(seconds=1))
    sender.drain(channel.name)
    row.refresh_from_db()
    return row, DeliveryAttempt.objects.filter(notification=row).first()


def test_a_mail_goes_by_starttls_and_login(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    with run_relay(certificate) as (port, mailbox):
        row, its = attempt(make_channel(port))

    assert (row.state, its.error) == ("sent", "")
    ((recipients, content),) = mailbox.mails
    mail = message_from_bytes(content, policy=policy.default)
    assert recipients == ["ops@example.org"]
    assert mail["Message-ID"] == f"<{row.idempotency_key}@example.org>"
    assert mail["Subject"].startswith("[Mallard] TEST")


def test_a_certificate_that_is_not_trusted_gets_no_password(certificate):
    with run_relay(certificate) as (port, mailbox):
        row, its = attempt(make_channel(port))

    assert row.state == "waiting"
    assert "certificate" in its.error.lower()
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"password": "wrong horse"}, "535 5.7.8"),
        ({"security": "none"}, "530"),
        ({"to": "no-one@example.org"}, "refused no-one@example.org (550 5.1.1"),
    ],
    ids=["login", "without TLS", "recipient"],
)
def test_what_the_relay_refuses_waits_with_its_words(certificate, monkeypatch, values, words):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    with run_relay(certificate) as (port, mailbox):
        user = {"user": "", "password": ""} if "security" in values else {}
        row, its = attempt(make_channel(port, **values, **user))

    assert row.state == "waiting"
    assert words in its.error
    assert "horse" not in its.error
    assert mailbox.mails == []


def test_who_was_taken_gets_the_mail_once_though_another_was_refused(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    with run_relay(certificate) as (port, mailbox):
        row, its = attempt(make_channel(port, to="no-one@example.org, ops@example.org"))

    assert row.state == "sent"
    assert "refused no-one@example.org" in its.error == row.last_error
    assert [recipients for recipients, _ in mailbox.mails] == [["ops@example.org"]]


def test_a_relay_that_is_down_is_tried_again():
    row, its = attempt(make_channel(free_port()))
    assert row.state == "waiting"
    assert "127.0.0.1" in its.error


@pytest.mark.parametrize("security", ["none", "tls"])
def test_a_relay_that_trickles_is_left_at_the_deadline(monkeypatch, security):
    monkeypatch.setattr(smtp, "MAX_TOTAL_S", 0.3)
    with Dripping(b"220 ") as relay:
        row, _ = attempt(make_channel(relay.port, security=security))
    assert row.state == "waiting"


def test_a_relay_on_a_private_address_must_be_allowed(settings):
    settings.NOTIFICATION_NETWORKS = []
    row, its = attempt(make_channel(25))
    assert row.state == "waiting"
    assert "NOTIFICATION_NETWORKS" in its.error


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ({"hostname": "relay.example"}, "Relay.Example."),
        ({"addresses": ["127.0.0.1"]}, "localhost"),
        ({"addresses": ["192.0.2.7"]}, "192.0.2.7"),
    ],
    ids=["name", "resolves", "address"],
)
def test_a_relay_that_is_a_watched_node_is_warned_of(node, host):
    Node.objects.create(name="mta-01", **node)
    channel = make_channel(25)
    channel.values["host"] = host
    assert "Its relay is mta-01, which is watched" in find_warning(channel)

"""Pages of channels and of the log of deliveries: by role, audited, without secrets, as text."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from server.accounts.roles import Role
from server.alerts.models import Channel, DeliveryAttempt, NotificationRoute, OutboxNotification
from server.alerts.notifications import store
from server.nodes.models import Node

pytestmark = pytest.mark.django_db
HOSTILE = "<script>x</script>\u202e refused"
URL = "https://hooks.example/very-secret"
LIST, LOG = reverse("channel-list"), reverse("deliveries")


@pytest.fixture
def channel():
    return store.save_channel(Channel(kind="webhook"), {"url": URL, "secret": "k"}, name="ops")


def attempt(channel, *, error="", state="sent", seconds=0):
    at = timezone.now() - timedelta(seconds=60 - seconds)
    row = store.send_test(channel, at)
    OutboxNotification.objects.filter(pk=row.pk).update(
        state=state, last_error=error, attempts_count=1
    )
    DeliveryAttempt.objects.create(
        notification=row, at=at, duration_ms=12, status=503 if error else 200, error=error
    )
    return row


def text(client, address, **query):
    return client.get(address, query).content.decode()


@pytest.mark.parametrize(
    ("role", "listed", "edited"),
    [(Role.ADMIN, 200, 200), (Role.OPERATOR, 200, 403), (Role.VIEWER, 403, 403)],
)
def test_operators_see_channels_and_administrators_change_them(
    as_role, channel, role, listed, edited
):
    client = as_role(role)
    assert client.get(LIST).status_code == client.get(LOG).status_code == listed
    forms = [reverse("channel-form", args=[channel.pk]), reverse("channel-new", args=["ntfy"])]
    assert [client.get(address).status_code for address in forms] == [edited, edited]
    test = client.post(reverse("channel-test", args=[channel.pk])).status_code
    assert test == (302 if role == Role.ADMIN else 403)
    assert OutboxNotification.objects.count() == (role == Role.ADMIN)


def test_without_channels_or_routes_it_says_that_nobody_is_notified(as_role, channel):
    client = as_role(Role.ADMIN)
    assert "no route leads to a channel" in text(client, LIST)
    Channel.objects.all().delete()
    assert "there is no channel" in text(client, LIST)
    assert "Nothing was sent yet." in text(client, LOG)


def test_a_channel_shows_its_last_delivery_and_its_routes(as_role, channel):
    NotificationRoute.objects.create(
        name="night", steps=[{"after_min": 0, "channels": ["ops"]},
                             {"after_min": 15, "channels": ["ops"]}]
    )  # fmt: skip
    client = as_role(Role.OPERATOR)
    assert "never used: send a test" in text(client, LIST)
    attempt(channel)
    page = text(client, LIST)
    assert "1 channel, 1 route; none fails." in page
    assert "at once: ops; after 15 min: ops" in page

    attempt(channel, error=HOSTILE, state="waiting", seconds=30)

    page = text(client, LIST)
    assert "Notifications fail by ops." in page
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_a_channel_is_made_and_changed_by_the_form_of_its_kind(as_role):
    client = as_role(Role.ADMIN)
    new = reverse("channel-new", args=["webhook"])
    assert 'name="value_url"' in text(client, new)
    refused = client.post(new, {"name": "ops", "value_url": "ftp://x", "digest_over": "5"})
    assert "not an address such as" in refused.content.decode()
    fields = {"name": "ops", "value_url": URL, "is_enabled": "on", "digest_over": "5"}
    assert client.post(new, fields).status_code == 302

    channel = Channel.objects.get()
    address = reverse("channel-form", args=[channel.pk])
    page = text(client, address)
    assert "very-secret" not in page
    assert "Is set; leave empty to keep it." in page
    client.post(address, {"name": "ops", "value_secret": "other", "digest_over": "7"})

    channel.refresh_from_db()
    assert (channel.digest_over, channel.is_enabled) == (7, False)
    assert store.list_secrets(channel) == {"url", "secret"}
    log = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "Made." in log
    assert "secret: changed" in log
    assert "digest_over: 5 → 7" in log
    assert "other" not in log


def test_a_relay_that_is_watched_is_warned_of_in_list_and_form(as_role):
    Node.objects.create(name="mta-01", hostname="mta-01.example")
    values = {"host": "mta-01.example", "sender": "a@b.example", "recipients": "c@d.example"}
    mail = store.save_channel(Channel(kind="mail"), values, name="mail")
    client = as_role(Role.ADMIN)

    for address in (LIST, reverse("channel-form", args=[mail.pk])):
        assert "Its relay is mta-01, which is watched" in text(client, address)


def test_the_log_has_each_attempt_and_is_filtered(as_role, channel):
    attempt(channel, error=HOSTILE, state="given_up")
    other = store.save_channel(Channel(kind="webhook"), {"url": URL}, name="phone")
    attempt(other)
    client = as_role(Role.OPERATOR)

    page = text(client, LOG)
    assert "2 notifications, 1 given up" in page
    assert "12 ms: " in page
    assert "<script>x" not in page
    assert "1 notification" in text(client, LOG, channel="phone")
    assert "1 given up" in text(client, LOG, state="given_up")
    for query in ({"incident": "7"}, {"channel": "gone"}, {"state": "waiting"}):
        assert "Nothing of this kind was sent." in text(client, LOG, **query)
    for odd in ({"incident": "9" * 40}, {"incident": "x"}, {"state": "x"}):
        assert "2 notifications" in text(client, LOG, **odd)
    assert client.get(LOG, {"channel": "a\0b"}).status_code == 200


def test_the_pages_need_few_queries_however_much_there_is(
    as_role, channel, django_assert_max_num_queries
):
    for number in range(5):
        attempt(channel, seconds=number)
    client = as_role(Role.OPERATOR)
    text(client, LIST)
    for address in (LIST, LOG):
        with django_assert_max_num_queries(14):
            text(client, address)

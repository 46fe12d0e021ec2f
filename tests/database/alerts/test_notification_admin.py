"""Channels, routes and the log of deliveries in the admin, by role."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.urls import reverse

from server.accounts.roles import Role
from server.alerts.models import Channel, NotificationRoute, OutboxNotification
from server.alerts.notifications import store
from server.alerts.notifications.forms import check_steps
from server.nodes.models import Node

pytestmark = pytest.mark.django_db
URL = "https://hooks.example/very-secret"
ADD = reverse("admin:alerts_channel_add")


def make_webhook(client, **values):
    fields = {"name": "ops", "value_url": URL, "value_secret": "k", "is_enabled": "on"}
    return client.post(f"{ADD}?kind=webhook", {**fields, "digest_over": "5", **values})


def test_the_kind_is_chosen_first(as_role):
    page = as_role(Role.ADMIN).get(ADD).content.decode()

    assert "?kind=pagerduty" in page
    assert "?kind=mail" in page


def test_a_channel_is_made_and_its_secrets_are_never_shown_again(as_role):
    client = as_role(Role.ADMIN)
    assert make_webhook(client).status_code == 302

    channel = Channel.objects.get()
    assert store.list_secrets(channel) == {"url", "secret"}
    address = reverse("admin:alerts_channel_change", args=[channel.pk])
    assert "very-secret" not in client.get(address).content.decode()
    before = channel.secrets

    client.post(address, {"name": "ops", "value_secret": "other", "digest_over": "7"})

    channel.refresh_from_db()
    assert channel.secrets != before
    assert store.list_secrets(channel) == {"url", "secret"}
    assert (channel.digest_over, channel.is_enabled) == (7, False)
    log = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "secret: changed" in log
    assert "other" not in log
    assert "very-secret" not in log


def test_a_field_that_cannot_be_used_is_named_beside_it(as_role):
    page = make_webhook(as_role(Role.ADMIN), value_url="ftp://x").content.decode()

    assert "not an address such as https://example.com/hook" in page
    assert not Channel.objects.exists()


def test_a_relay_that_is_watched_is_warned_of_in_the_loudest_way(as_role):
    Node.objects.create(name="mta-01", hostname="mta-01.example", addresses=["192.0.2.7"])

    page = as_role(Role.ADMIN).post(
        f"{ADD}?kind=mail",
        {
            "name": "mail",
            "value_host": "mta-01.example",
            "value_port": "587",
            "value_security": "starttls",
            "value_sender": "a@b.example",
            "value_recipients": "c@d.example",
            "digest_over": "5",
        },
        follow=True,
    )

    assert "which is watched" in page.content.decode()


def test_a_test_is_put_into_the_outbox_and_audited(as_role):
    client = as_role(Role.ADMIN)
    make_webhook(client)

    client.post(
        reverse("admin:alerts_channel_changelist"),
        {"action": "send_test", "_selected_action": [Channel.objects.get().pk]},
    )

    assert OutboxNotification.objects.get().kind == "test"
    assert LogEntry.objects.filter(change_message="Sent a test.").exists()
    log = client.get(reverse("admin:alerts_outboxnotification_changelist"))
    assert "waits" in log.content.decode()


@pytest.mark.parametrize(("role", "status"), [(Role.OPERATOR, 403), (Role.VIEWER, 302)])
def test_only_administrators_change_channels(as_role, role, status):
    assert as_role(role).get(ADD).status_code == status


def test_a_route_is_made_of_channels_that_exist(as_role):
    client = as_role(Role.ADMIN)
    make_webhook(client)
    fields = {"name": "all", "position": "1", "repeat_min": "0", "time_zone": "Europe/Berlin"}
    address = reverse("admin:alerts_notificationroute_add")

    refused = client.post(
        address, {**fields, "steps": '[{"after_min": 0, "channels": ["gone"]}]'}
    ).content.decode()
    assert "there is no channel gone" in refused
    client.post(address, {**fields, "steps": '[{"after_min": 0, "channels": ["ops"]}]'})

    assert NotificationRoute.objects.get().steps == [{"after_min": 0, "channels": ["ops"]}]


@pytest.mark.parametrize(
    "steps",
    [
        [],
        {},
        [{"after_min": 0}],
        [{"after_min": 5, "channels": ["ops"]}],
        [{"after_min": True, "channels": ["ops"]}],
        [{"after_min": 0.5, "channels": ["ops"]}],
        [{"after_min": 0, "channels": []}],
        [{"after_min": 0, "channels": "ops"}],
        [{"after_min": 0, "channels": [["ops"]]}],
        [{"after_min": 0, "channels": ["ops"]}, {"after_min": 0, "channels": ["ops"]}],
        [{"after_min": 0, "channels": ["ops"], "if": "x"}],
        [{"after_min": 0, "channels": ["ops"]}] * 11,
    ],
)
def test_steps_that_cannot_be_taken_are_refused(steps):
    with pytest.raises(ValidationError):
        check_steps(steps, {"ops"})

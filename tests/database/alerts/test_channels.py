"""Channels as people edit them, and the whole way from a flip to a receiver."""

import json

import pytest
from django.utils import timezone

from server.alerts.models import Channel, OutboxNotification
from server.alerts.notifications import actors, sender, store
from server.alerts.notifications.channels.kind import BadField
from tests.fakes.receiver import run_receiver

pytestmark = pytest.mark.django_db(transaction=True)
URL = "https://hooks.example/secret-path"


def test_secrets_are_stored_encrypted_and_an_empty_one_stays_as_it_was():
    channel = store.save_channel(Channel(name="ops", kind="webhook"), {"url": URL, "secret": "k"})
    assert "secret-path" not in channel.secrets
    assert store.list_secrets(channel) == {"url", "secret"}
    before = channel.secrets

    store.save_channel(channel, {"url": "", "secret": "new"})

    channel.refresh_from_db()
    assert channel.secrets != before
    assert store.list_secrets(channel) == {"url", "secret"}
    assert channel.values == {}


def test_a_channel_that_cannot_work_is_not_stored():
    with pytest.raises(BadField, match="url: "):
        store.save_channel(Channel(name="ops", kind="webhook"), {"url": "javascript:alert(1)"})
    with pytest.raises(BadField, match="kind: use one of"):
        store.save_channel(Channel(name="ops", kind="fax"), {})
    assert not Channel.objects.exists()


def test_a_test_goes_the_way_of_the_real_thing(settings):
    settings.NOTIFICATION_NETWORKS = ["127.0.0.0/8"]
    with run_receiver() as receiver:
        channel = Channel(name="ops", kind="webhook")
        store.save_channel(channel, {"url": receiver.url, "secret": ""})
        row = store.send_test(channel, timezone.now())

        sender.drain("ops")

        row.refresh_from_db()
        assert row.state == "sent"
        assert json.loads(receiver.received[0].body)["kind"] == "test"


def test_the_actor_wakes_the_sender_of_each_channel_that_has_something_due(monkeypatch):
    woken: list[str] = []
    monkeypatch.setattr(actors.send_by_channel, "send", woken.append)
    channel = Channel.objects.create(name="ops", kind="webhook", is_enabled=False)
    store.send_test(channel, timezone.now())

    actors.send_notifications()

    assert OutboxNotification.objects.get().state == "waiting"
    assert woken == ["ops"]

"""Queues for which a browser waits are looked at often, all others once a second."""

import pytest
from django.utils.module_loading import import_string

from server.config.broker import dramatiq_broker


@pytest.mark.parametrize(
    ("queue", "wait_ms"),
    [("events", 100), ("samples", 100), ("events.DQ", 1_000), ("notifications", 1_000)],
)
def test_a_queue_is_looked_at_as_often_as_somebody_waits_for_it(queue, wait_ms):
    setting = dramatiq_broker("redis://127.0.0.1:1/0")
    broker = import_string(setting["BROKER"])(middleware=[], **setting["OPTIONS"])

    assert broker.consume(queue, timeout=100).timeout == wait_ms

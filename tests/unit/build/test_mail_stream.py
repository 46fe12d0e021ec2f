"""The feeder's messages and the sink's answers, without starting either."""

import email
import itertools
import tomllib
from pathlib import Path

from build.stack import feeder, sink, zonemta


def test_the_same_seed_gives_the_same_messages():
    first, again, other = (
        list(itertools.islice(feeder.messages(seed=seed), 200)) for seed in (7, 7, 8)
    )

    assert first == again
    assert first != other


def test_a_stream_has_several_senders_destinations_and_every_outcome():
    stream = list(itertools.islice(feeder.messages(seed=1), 3_000))
    recipients = [address for message in stream for address in message.recipients]

    assert {message.sender.partition("@")[2] for message in stream} == set(feeder.SENDERS)
    assert {address.partition("@")[2] for address in recipients} == set(feeder.DESTINATIONS)
    assert {address.partition("-")[0] for address in recipients} == set(feeder.OUTCOMES)
    assert {len(message.recipients) for message in stream} == set(feeder.RECIPIENTS)
    assert len(set(recipients)) == len(recipients)
    assert len({message.message_id for message in stream}) == len(stream)


def test_every_outcome_of_the_stream_is_known_to_the_sink():
    assert set(feeder.OUTCOMES) <= set(sink.ANSWERS)


def test_a_composed_message_has_its_headers_and_about_its_size():
    message = feeder.Message(
        message_id="<1@corp.example>",
        sender="alice@corp.example",
        recipients=("ok-1@a.example", "ok-2@b.example"),
        body_bytes=5_000,
    )

    parsed = email.message_from_bytes(feeder.compose(message))

    assert parsed["Message-ID"] == "<1@corp.example>"
    assert parsed["To"] == "ok-1@a.example, ok-2@b.example"
    assert 4_900 <= len(parsed.get_payload()) <= 5_000


def test_the_local_part_of_an_address_decides_its_answer():
    assert sink.answer_to("bounce-7@any.example").at_rcpt.startswith("550 5.1.1")
    assert sink.answer_to("Defer-1@any.example").at_rcpt.startswith("451 ")
    assert sink.answer_to("alice@any.example") == sink.ACCEPTED


def test_zonemtas_configuration_holds_zones_retries_and_the_plugins_socket():
    text = zonemta.render(
        mongo_uri="mongodb://127.0.0.1:1/zone-mta?replicaSet=rs0",
        redis_port=2,
        sink_port=3,
        smtp_port=4,
        api_port=5,
        queue_server_port=6,
        plugin_socket=Path('/tmp/a "quoted" folder/receiver.sock'),
        defer_times_ms=(2000, 3000),
        zones={"default": {}, "dead": {"recipientDomains": ["dead.example"], "port": 9}},
    )

    config = tomllib.loads(text)

    assert config["queue"] == {"instanceId": zonemta.INSTANCE, "deferTimes": [2000, 3000]}
    assert config["zones"]["default"]["port"] == 3
    assert config["zones"]["dead"]["port"] == 9
    assert config["zones"]["dead"]["recipientDomains"] == ["dead.example"]
    monitor = config["plugins"]["zone-mta-monitor"]
    assert monitor["socket"] == '/tmp/a "quoted" folder/receiver.sock'
    assert monitor["enabled"] == ["main", "receiver", "sender"]


def test_zonemta_without_an_agent_has_no_plugin_and_its_own_retry_times():
    text = zonemta.render(
        mongo_uri="mongodb://127.0.0.1:1/zone-mta",
        redis_port=2,
        sink_port=3,
        smtp_port=4,
        api_port=5,
        queue_server_port=6,
        plugin_socket=None,
        defer_times_ms=(),
        zones=zonemta.DEFAULT_ZONES,
    )

    config = tomllib.loads(text)

    assert "zone-mta-monitor" not in config["plugins"]
    assert config["queue"] == {"instanceId": zonemta.INSTANCE}

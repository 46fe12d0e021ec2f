"""WildDuck's answers as they were recorded, and as they should not be."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers import wildduck
from agent.parsers.wildduck import Health, User
from tests.damage import assert_sane, cut, damage_copies
from tests.paths import TESTS
from tests.recorded import WILDDUCK_METRICS, WILDDUCK_REFUSAL

SAMPLES = TESTS / "samples" / "wildduck"
PAGE = (SAMPLES / "users-limit2.txt").read_text().partition("\n\n")[2]


def test_its_metrics_say_what_runs_and_who_logged_in():
    readings = wildduck.parse_metrics(WILDDUCK_METRICS)

    services = {service.service: service.is_up for service in readings.services}
    assert (readings.version, readings.started_at_s) == ("1.51.1", 1795256700)
    assert (services["imap"], services["lmtp"], services["pop3"]) == (True, True, False)
    assert (readings.auth_success_total, readings.auth_failure_total) == (1, 1)
    assert readings.memory_rss_bytes == 156151808
    assert readings.event_loop_lag_p99_ms == 10.6


def test_connections_are_counted_by_protocol():
    readings = wildduck.parse_metrics('wildduck_connections{service="imap"} 12\n')

    assert [(its.protocol, its.count) for its in readings.connections] == [("imap", 12)]


def test_a_metric_that_cannot_be_read_is_unknown_and_never_zero():
    unreadable = []

    readings = wildduck.parse_metrics(
        'wildduck_auth_attempts_total{result="success"} 1,5\n'
        'wildduck_service_up{service="imap"} NaN\nwildduck_connections{service="imap"} 2\n',
        unreadable=unreadable,
    )

    assert (readings.auth_success_total, readings.auth_failure_total) == (None, None)
    assert (readings.services, readings.connections[0].count) == (None, 2)
    assert len(unreadable) == 1


@pytest.mark.parametrize("text", ["", "<html>", "zonemta_message_push 5", PAGE])
def test_what_is_not_its_metrics_is_refused(text):
    with pytest.raises(ValueError, match="no wildduck_"):
        wildduck.parse_metrics(text)


def test_a_page_of_users_has_their_quotas_and_the_way_on():
    readings = wildduck.parse_page(PAGE.encode())
    more = wildduck.parse_page((SAMPLES / "users-limit2-next.json").read_bytes())

    assert (readings.total, [user.username for user in readings.users]) == (5, ["user1", "user2"])
    assert readings.users[0] == User("user1", 0, 104857600, is_disabled=False)
    assert readings.next
    assert more.next != readings.next


def test_the_last_page_has_no_way_on():
    body = json.dumps({"success": True, "total": 0, "nextCursor": False, "results": []})

    assert wildduck.parse_page(body.encode()).next is None


def test_its_health_is_known_with_the_token_and_unknown_without():
    body = (SAMPLES / "health.json").read_bytes()

    ill = b'{"success":false,"message":"DB: not connected"}'

    healthy = Health(is_healthy=True, version="1.51.1")
    assert wildduck.parse_health(200, body, is_known=False) == healthy
    assert wildduck.parse_health(403, WILDDUCK_REFUSAL.encode(), is_known=False) == Health(None)
    readings = wildduck.parse_health(500, ill, is_known=True)
    assert readings == Health(is_healthy=False, error="DB: not connected")
    # Anybody may answer so.
    with pytest.raises(ValueError, match="not WildDuck"):
        wildduck.parse_health(500, ill, is_known=False)
    with pytest.raises(ValueError, match="not WildDuck"):
        wildduck.parse_health(200, b'{"success":true}', is_known=False)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"status":"ok"}'])
def test_another_programs_health_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 (msgspec's own words are as good)
        wildduck.parse_health(200, body, is_known=True)


def test_the_quota_of_those_without_one_is_a_setting():
    assert wildduck.parse_default_quota((SAMPLES / "settings.json").read_bytes()) == 1073741824
    assert wildduck.parse_default_quota(b'{"success":true,"settings":[]}') is None


def test_the_fullest_are_those_nearest_to_their_limit():
    users = [
        User("a", 50, 100, is_disabled=False),
        User("b", 999, 0, is_disabled=False),
        User("c", 9, 10, is_disabled=False),
    ]

    assert [quota.username for quota in wildduck.fullest(users, limit=5)] == ["c", "a"]
    assert [quota.username for quota in wildduck.fullest(users, limit=1)] == ["c"]


def test_a_damaged_page_gives_what_is_right_or_is_refused():
    for broken in damage_copies(json.loads(PAGE)):
        try:
            readings = wildduck.parse_page(json.dumps(broken).encode())
        except ValueError:
            continue
        assert_sane(
            [[user.username, user.used_bytes, user.allowed_bytes] for user in readings.users]
        )
    for piece in cut(PAGE.rstrip()):
        with pytest.raises(ValueError):  # noqa: PT011
            wildduck.parse_page(piece.encode())


def test_metrics_that_were_cut_off_give_what_is_left():
    for piece in cut(WILDDUCK_METRICS):
        if "\nwildduck_" in piece:
            assert_sane(msgspec.to_builtins(wildduck.parse_metrics(piece).services))


@given(st.text())
def test_no_text_upsets_the_reader_of_its_metrics(text):
    wildduck.parse_metrics("wildduck_info 1\n" + text)


@given(st.binary())
def test_no_bytes_upset_the_readers_of_its_api(body):
    for read in (
        wildduck.parse_page,
        lambda readings: wildduck.parse_health(500, readings, is_known=True),
        wildduck.parse_default_quota,
    ):
        try:
            read(body)
        except ValueError:
            continue

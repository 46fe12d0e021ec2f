import pytest
from django.test import override_settings

from server.http.client_address import client_address, networks

TRUSTED = networks(["10.0.0.0/8", "::1/128"])


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # forged: no proxy of ours sent it
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # the left one is the client's word
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("::1", "nonsense", "nonsense"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        # A unix socket has no address; its mode says who may connect.
        ("", "198.51.100.1", "198.51.100.1"),
        ("", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("", "", ""),
    ],
)
def test_the_address_is_the_nearest_that_is_no_trusted_proxy(remote, forwarded_for, address):
    assert client_address(remote, forwarded_for, TRUSTED) == address


@pytest.mark.django_db
@override_settings(INGEST_KEY_RATE="2/day")
def test_a_key_over_its_rate_is_429_with_a_time_to_retry_after(post, event):
    answers = [post("events/ingest", event()) for _ in range(3)]

    assert [a.status_code for a in answers] == [202, 202, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 86_400


@pytest.mark.django_db
@override_settings(INGEST_ADDRESS_RATE="3/hour", TRUSTED_PROXIES=[])
def test_guessing_keys_is_slow_whatever_the_guesser_forwards(post, event):
    answers = [
        post("events/ingest", event(), key="wrong", **{"x-forwarded-for": f"1.2.3.{n}"})
        for n in range(5)
    ]

    assert [a.status_code for a in answers] == [401, 401, 401, 429, 429]


@pytest.mark.django_db
@override_settings(INGEST_ADDRESS_RATE="1/day", TRUSTED_PROXIES=["127.0.0.1"])
def test_behind_a_trusted_proxy_each_client_has_its_own_rate(post, event):
    one = {"x-forwarded-for": "198.51.100.1"}
    other = {"x-forwarded-for": "198.51.100.2"}

    assert post("events/ingest", event(), **one).status_code == 202
    assert post("events/ingest", event(), **one).status_code == 429
    assert post("events/ingest", event(), **other).status_code == 202

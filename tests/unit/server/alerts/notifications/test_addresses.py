"""Addresses that notifications may be sent to."""

from ipaddress import ip_address, ip_network

import pytest

from server.alerts.notifications.addresses import RefusedAddress, is_allowed, resolve
from server.alerts.notifications.channels.kind import BadField, Request, check_url
from server.alerts.notifications.http import SendError, send


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "fec0::1",
    ],
)
def test_what_only_this_server_reaches_is_refused(address):
    assert not is_allowed(ip_address(address), [])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_allowed(address):
    assert is_allowed(ip_address(address), [])


def test_a_network_that_is_allowed_allows_its_addresses_alone():
    networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]

    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert is_allowed(ip_address("fd00::1"), networks)
    assert not is_allowed(ip_address("192.168.0.1"), networks)


def test_a_name_of_an_address_that_is_not_allowed_is_refused_with_the_fix():
    with pytest.raises(RefusedAddress, match="NOTIFICATION_NETWORKS"):
        resolve("localhost", 80, [])
    assert resolve("127.0.0.1", 80, [ip_network("127.0.0.0/8")]) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_other_spellings_of_an_address_are_the_same_address(host):
    with pytest.raises(RefusedAddress):
        resolve(host, 80, [])


@pytest.mark.parametrize(
    "host",
    ["[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[::1]", "2852039166", "0xa9fea9fe",
     "0251.0376.0251.0376", "169.254.43518", "127.1"],
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(host):
    request = Request("POST", check_url(f"http://{host}/latest"), b"", {})

    with pytest.raises(SendError, match="is no public address: add its network"):
        send(request, [])


@pytest.mark.parametrize(
    "address", ["http://user:pw@example.com/", "http://a@169.254.169.254/", "http://[fe80::1%25e]/",
                "http://169.254.169.254#@example.com/", "http:///latest", "file:///etc/passwd"],
)  # fmt: skip
def test_an_address_that_hides_its_host_is_not_taken(address):
    with pytest.raises(BadField):
        check_url(address)

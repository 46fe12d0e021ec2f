"""Addresses that notifications may be sent to."""

from ipaddress import ip_address, ip_network

import pytest

from server.alerts.notifications.addresses import RefusedAddress, is_allowed, resolve


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

"""The kernel's counters as a machine had them, and rates between two looks at them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers import machine
from agent.parsers.machine import Disk, Interface, rate
from tests.recorded import SNMP, SOCKSTAT

# Debian 12, a disk with one partition and a volume on it.
DISKSTATS = """\
 254       0 vda 7000 10 20000 300 900 40 8000 200 0 500 600 0 0 0 0 1 2
 254       1 vda1 6990 10 19990 300 900 40 8000 200 0 500 600 0 0 0 0 0 0
 253       0 dm-0 6000 0 19000 300 900 0 8000 200 0 500 600 0 0 0 0 0 0
   7       0 loop0 5 0 90 0 0 0 0 0 0 0 0 0 0 0 0 0 0
"""
NET_DEV = """\
Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame |bytes    packets errs drop fifo colls
    lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0
  eth0:8912090819  282333    3    0    0  0    0   0 24199771  200395    2    0    0   0 0   0
eth0.10: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0
"""


def test_disks_are_read_in_bytes():
    readings = machine.parse_diskstats(DISKSTATS)

    assert readings["vda"] == Disk(20000 * 512, 8000 * 512)
    assert readings.keys() == {"vda", "vda1", "dm-0", "loop0"}


def test_paths_to_an_nvme_disk_are_counted_where_the_disk_does_not_count_itself():
    path, none = Disk(7, 9), Disk(0, 0)
    both = {"nvme0n1": Disk(7, 9), "nvme0c0n1": path, "nvme0c1n1": path, "vda": path}

    assert machine.drop_counted_paths(both).keys() == {"nvme0n1", "vda"}
    older = machine.drop_counted_paths(both | {"nvme0n1": none})
    assert older.keys() == {"nvme0n1", "nvme0c0n1", "nvme0c1n1", "vda"}


def test_interfaces_are_read_with_and_without_a_space_after_the_name():
    readings = machine.parse_net_dev(NET_DEV)

    assert readings["eth0"] == Interface(8912090819, 24199771, 3, 2)
    assert readings["eth0.10"].tx_bytes == 20


def test_connections_are_those_the_kernel_counts():
    assert machine.parse_established(SNMP) == 344
    assert machine.parse_time_wait(SOCKSTAT) == 623
    assert machine.parse_established("") is None
    assert machine.parse_time_wait("TCP6: inuse 5\n") is None


ARCSTATS = """\
13 1 0x01 147 39984 8338513768 11683498172
name                            type data
hits                            4    123
c_min                           4    500000000
size                            4    4500000000
"""


def test_of_the_cache_of_zfs_what_it_gives_back_is_free():
    assert machine.parse_arc(ARCSTATS) == 4_000_000_000
    assert machine.parse_arc("") == 0

    used = machine.without_arc(6 * 10**9, 75.0, total_bytes=8 * 10**9, arc_bytes=4 * 10**9)

    assert used == (2 * 10**9, 25.0)


@pytest.mark.parametrize("arc_bytes", [0, 6 * 10**9, 10**12])
def test_a_cache_that_is_not_of_this_memory_changes_nothing(arc_bytes):
    used = machine.without_arc(6 * 10**9, 75.0, total_bytes=8 * 10**9, arc_bytes=arc_bytes)

    assert used == (6 * 10**9, 75.0)


@pytest.mark.parametrize(
    ("before", "now", "elapsed_s", "expected"),
    [
        ({"a": (0,)}, {"a": (100,)}, 10, 10.0),
        ({"a": (100,)}, {"a": (100,)}, 10, 0.0),
        ({"a": (0,)}, {"a": (100,)}, 0, None),
        # A counter that was set back, and one beside it that was not.
        ({"a": (100,)}, {"a": (5,)}, 10, None),
        ({"a": (100,), "b": (0,)}, {"a": (5,), "b": (50,)}, 10, 5.0),
        # A disk that came, one that went.
        ({"a": (0,)}, {"a": (10,), "b": (10**12,)}, 10, 1.0),
        ({"a": (0,), "b": (10**12,)}, {"a": (10,)}, 10, 1.0),
        ({}, {}, 10, None),
    ],
)
def test_a_rate_is_of_what_can_be_compared(before, now, elapsed_s, expected):
    assert rate(before, now, 0, elapsed_s) == expected


@given(st.text())
def test_no_text_upsets_the_readers(text):
    machine.parse_diskstats(text)
    machine.parse_net_dev(text)
    machine.parse_arc(text)
    machine.parse_established("Tcp:" + text + "\nTcp:" + text)
    machine.parse_time_wait("TCP: " + text)

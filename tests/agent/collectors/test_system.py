"""The machine's readings."""

import socket

import pytest

from agent.collectors import system
from agent.collectors.system import Counters, SystemCollector, rate, socket_states

# /proc/net/tcp of a Debian 12 with one listener, two open connections and one closing.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 0
   2: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 0
   3: 0100007F:D430 0100007F:1F90 06 00000000:00000000 03:00001735 00000000     0        0 0 3 0 0
"""


def test_a_sample_says_which_ports_of_the_role_take_connections():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        collector = SystemCollector(node="n", programs=("zonemta",), more_ports=str(port))

        sample = collector.sample()

    assert sample.services.keys() == {"port_587", "port_12080", f"port_{port}"}
    assert sample.services[f"port_{port}"] is True
    assert "zonemta" in sample.processes


def test_rates_are_per_second_between_two_samples(monkeypatch):
    readings = [Counters(100.0, 1000, 0, 5000, 0), Counters(110.0, 3000, 500, 5000, 10)]
    monkeypatch.setattr(system, "_counters", lambda: readings.pop(0))
    collector = SystemCollector(node="n")

    first, second = collector.sample().system, collector.sample().system

    assert first.disk_read_bytes_sec is None
    assert first.net_tx_bytes_sec is None
    assert second.disk_read_bytes_sec == 200
    assert second.disk_write_bytes_sec == 50
    assert second.net_rx_bytes_sec == 0
    assert second.net_tx_bytes_sec == 1


@pytest.mark.parametrize(
    ("before", "now", "elapsed_s", "expected"),
    [(0, 100, 10, 10.0), (100, 100, 10, 0.0), (100, 5, 10, None), (0, 100, 0, None)],
)
def test_a_counter_that_was_reset_gives_no_rate(before, now, elapsed_s, expected):
    assert rate(before, now, elapsed_s) == expected


def test_after_a_reset_rates_come_back(monkeypatch):
    readings = [Counters(0.0, 10_000), Counters(10.0, 50), Counters(20.0, 150)]
    monkeypatch.setattr(system, "_counters", lambda: readings.pop(0))
    collector = SystemCollector(node="n")

    rates = [collector.sample().system.disk_read_bytes_sec for _ in range(3)]

    assert rates == [None, None, 10.0]


def test_socket_states_are_counted_over_both_families():
    states = socket_states(TCP, TCP)

    assert (states["01"], states["06"], states["0A"]) == (4, 2, 2)


def test_a_machine_without_ipv6_has_no_second_table(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)

    readings = SystemCollector(node="n", proc=tmp_path).sample().system

    assert (readings.tcp_established, readings.tcp_time_wait, readings.open_files) == (2, 1, 0)


def test_the_first_sample_of_a_real_machine_is_within_the_servers_ranges():
    readings = SystemCollector(node="n").sample().system

    assert 0 <= readings.cpu_percent <= 100
    assert 0 < readings.ram_used_bytes < readings.ram_total_bytes
    assert 0 <= readings.disk_used_percent <= 100
    assert readings.uptime_seconds > 0
    assert len(readings.load_avg) == 3

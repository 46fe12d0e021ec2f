"""The machine's readings."""

import socket

import pytest

from agent import clock
from agent.collectors import ports
from agent.collectors.ports import PortWatch
from agent.collectors.system import SystemCollector
from agent.status import AgentStatus
from tests.recorded import SNMP, SOCKSTAT

HEAD = "  sl  local_address rem_address   st\n"


@pytest.fixture
def machine(tmp_path):
    """A machine of files: a disk with a partition and a volume on it, a bridge and a card."""

    class Machine:
        proc, sys = tmp_path / "proc", tmp_path / "sys"

        def write(self, *, disk=1000, volume=1000, card=100, bridge=100):
            (self.proc / "net").mkdir(parents=True, exist_ok=True)
            blocks = [("vda", disk), ("vda1", disk), ("dm-0", volume), ("loop0", 9)]
            text = "".join(f"254 0 {name} 1 0 {n} 0 1 0 {2 * n} 0\n" for name, n in blocks)
            (self.proc / "diskstats").write_text(text)
            cards = [("lo", 7), ("eth0", card), ("br0", bridge)]
            text = "".join(f"{name}: {n} 0 1 0 0 0 0 0 {2 * n} 0 2 0\n" for name, n in cards)
            (self.proc / "net" / "dev").write_text(text)
            (self.proc / "net" / "snmp").write_text(SNMP)
            (self.proc / "net" / "sockstat").write_text(SOCKSTAT)

        def collector(self):
            return SystemCollector(node="n", proc=self.proc, sys=self.sys)

    made = Machine()
    made.write()
    for name in ("block/vda", "block/loop0", "block/dm-0/slaves/vda1", "class/net/eth0/device"):
        (made.sys / name).mkdir(parents=True)
    (made.sys / "class/net/br0").mkdir()
    return made


def test_a_sample_says_which_ports_of_the_role_take_connections():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        collector = SystemCollector(node="n", programs=("zonemta",), more_ports=str(port))

        sample = collector.sample()

    assert sample.services.keys() == {"port_587", "port_12080", f"port_{port}"}
    assert sample.services[f"port_{port}"] is True
    assert "zonemta" in sample.processes


def test_without_a_role_ports_of_what_was_found_are_looked_at_though_it_does_not_run(machine):
    def ports(**more):
        collector = SystemCollector(node="n", proc=machine.proc, sys=machine.sys, **more)
        return collector.sample().services.keys()

    haraka = AgentStatus(programs=("haraka",))

    assert ports(status=haraka) == {"port_25"}
    assert ports() == set()
    # A configured role takes precedence.
    assert ports(programs=("rspamd",), status=haraka) == {"port_11334"}


def test_rates_are_per_second_between_two_samples(machine, monkeypatch):
    collector = machine.collector()
    at_s = [100.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    first = collector.sample().system
    machine.write(disk=1010, volume=1010, card=150, bridge=150)
    at_s[0] += 10

    second = collector.sample().system

    assert first.disk_read_bytes_sec is None
    assert first.net_tx_bytes_sec is None
    # The volume's bytes are the disk's, the bridge's the card's: each is counted once.
    assert (second.disk_read_bytes_sec, second.disk_write_bytes_sec) == (512.0, 1024.0)
    assert (second.net_rx_bytes_sec, second.net_tx_bytes_sec) == (5.0, 10.0)
    assert (second.net_rx_errors, second.net_tx_errors) == (1, 2)


def test_after_a_counter_was_set_back_rates_come_back(machine, monkeypatch):
    collector = machine.collector()
    at_s = [100.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    rates = []
    for disk in (1000, 10, 30):
        machine.write(disk=disk)
        rates.append(collector.sample().system.disk_read_bytes_sec)
        at_s[0] += 10

    assert rates == [None, None, 1024.0]


def test_connections_are_those_the_kernel_counts(machine):
    readings = machine.collector().sample().system

    assert (readings.tcp_established, readings.tcp_time_wait) == (344, 623)


def test_a_container_that_hides_everything_gives_no_rates(tmp_path):
    readings = SystemCollector(node="n", proc=tmp_path, sys=tmp_path).sample().system

    assert (readings.tcp_established, readings.open_files) == (0, 0)
    assert (readings.disk_read_bytes_sec, readings.net_rx_errors) == (None, 0)


def test_a_port_that_moved_to_another_address_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "REREAD_INTERVAL_S", 0.0)
    (tmp_path / "net").mkdir()
    table = tmp_path / "net" / "tcp"
    table.write_text(HEAD)
    watch = PortWatch(proc=tmp_path)
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        before = watch.finish(watch.begin([port]))
        table.write_text(f"{HEAD}   0: 0200007F:{port:04X} 00000000:0000 0A 0 0 0 0 0 0 1\n")
        after = watch.finish(watch.begin([port]))

    assert (before, after) == ({port: False}, {port: True})


def test_the_first_sample_of_a_real_machine_is_within_the_servers_ranges():
    readings = SystemCollector(node="n").sample().system

    assert 0 <= readings.cpu_percent <= 100
    assert 0 < readings.ram_used_bytes < readings.ram_total_bytes
    assert 0 <= readings.disk_used_percent <= 100
    assert readings.uptime_seconds > 0
    assert len(readings.load_avg) == 3

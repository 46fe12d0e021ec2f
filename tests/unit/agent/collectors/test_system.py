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
        collector = SystemCollector(node="n", programs=("zonemta",), port_changes=str(port))

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


def bytes_counted(tmp_path, monkeypatch, interfaces, links):
    """Return how often the collector counts 10 bytes a second that each interface received.
    `links`: paths below /sys/class/net, and where they point to, None for a folder."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    (proc / "net").mkdir(parents=True)
    for name in interfaces:
        (sys / "class/net" / name).mkdir(parents=True)
    for path, target in links.items():
        place = sys / "class/net" / path
        if target is None:
            place.mkdir()
        else:
            place.symlink_to(target)
    at_s = [100.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    collector = SystemCollector(node="n", proc=proc, sys=sys)
    for received in (0, 100):
        text = "".join(f"{name}: {received} 0 0 0 0 0 0 0 0 0 0 0\n" for name in interfaces)
        (proc / "net" / "dev").write_text(text)
        rate = collector.sample().system.net_rx_bytes_sec
        at_s[0] += 10
    return rate / 10


# Machine → its interfaces, the links below /sys/class/net, and how many of them carry bytes of
# their own.
NETWORKS = {
    "Azure: netvsc counts what its virtual function carries": (
        ("eth0", "enP1s1"),
        {"eth0/device": None, "enP1s1/device": None, "enP1s1/master": "../eth0"},
        1,
    ),
    "virtio failover: the master counts what standby and primary carry": (
        ("ens3", "ens3nsby", "ens4"),
        {"ens3/device": None, "ens3nsby/device": None, "ens4/device": None}
        | {"ens3nsby/master": "../ens3", "ens4/master": "../ens3"},
        1,
    ),
    "a bond of two cards, with a VLAN on it": (
        ("eno1", "eno2", "bond0", "bond0.10"),
        {"eno1/device": None, "eno2/device": None, "bond0.10/lower_bond0": "../bond0"}
        | {"eno1/master": "../bond0", "eno2/master": "../bond0"},
        2,
    ),
    "a bond over netvsc and its virtual function": (
        ("eth0", "enP1s1", "bond0"),
        {"eth0/device": None, "enP1s1/device": None}
        | {"enP1s1/master": "../eth0", "eth0/master": "../bond0"},
        1,
    ),
    "a host of containers: a bridge and pairs beside the card": (
        ("ens3", "docker0", "veth1", "veth2"),
        {"ens3/device": None, "docker0/bridge": None}
        | {"veth1/master": "../docker0", "veth2/master": "../docker0"},
        1,
    ),
    "a container with containers in it, and a VLAN": (
        ("lo", "eth0", "docker0", "veth1", "eth0.5"),
        {"docker0/bridge": None, "veth1/master": "../docker0", "eth0.5/lower_eth0": "../eth0"},
        1,
    ),
    "a container with one interface": (("lo", "eth0"), {}, 1),
    "a container with nothing but a tunnel": (("lo", "tun0"), {"tun0/tun_flags": None}, 1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_byte_of_the_network_is_counted_once(tmp_path, monkeypatch, name):
    interfaces, links, times = NETWORKS[name]

    assert bytes_counted(tmp_path, monkeypatch, interfaces, links) == times


@pytest.mark.parametrize("name", ["zd0", "zd16", "drbd0", "md127", "dm-3", "loop7", "zram0"])
def test_what_lies_on_disks_is_not_counted_beside_them(machine, monkeypatch, name):
    at_s = [100.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    folder = machine.sys / "block" / name
    folder.mkdir()
    if name.startswith(("md", "dm")):
        (folder / "slaves" / "vda").mkdir(parents=True)
    collector = machine.collector()
    for sectors in (0, 1000):
        machine.write(disk=sectors)
        stats = machine.proc / "diskstats"
        stats.write_text(f"{stats.read_text()}230 0 {name} 1 0 {sectors} 0 1 0 {sectors} 0\n")
        read = collector.sample().system.disk_read_bytes_sec
        at_s[0] += 10

    assert read == 1000 * 512 / 10


def test_the_cache_of_zfs_is_not_used_memory(machine):
    before = machine.collector().sample().system
    folder = machine.proc / "spl/kstat/zfs"
    folder.mkdir(parents=True)
    cached = before.ram_used_bytes // 2
    (folder / "arcstats").write_text(f"name type data\nc_min 4 100\nsize 4 {cached + 100}\n")

    after = machine.collector().sample().system

    assert after.ram_used_percent < before.ram_used_percent
    assert after.ram_used_bytes < before.ram_used_bytes * 0.7


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

"""The list of nodes: status, filters, sorting."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from server.dashboard.pages.nodes import page

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


def node(name, *, silent_s=5.0, **fields):
    seen_at = None if silent_s is None else NOW - timedelta(seconds=silent_s)
    values = {
        "name": name, "hostname": "", "role": "", "addresses": [], "agent_version": "",
        "last_seen_at": seen_at, "in_maintenance": False,
    }  # fmt: skip
    return SimpleNamespace(**values | fields)


def sample(**readings):
    values = {
        "cpu_percent": 12.5, "cpu_core_percents": [20.0, 5.0], "ram_used_percent": 41.2,
        "ram_total_bytes": 8_390_001_000, "disk_used_percent": 55.1,
        "disk_free_bytes": 120_034_567_890, "net_rx_bytes_sec": 15_000.5,
        "net_tx_bytes_sec": 22_000.0, "load_1m": 0.5, "uptime_seconds": 86_400,
    }  # fmt: skip
    return SimpleNamespace(**values | readings)


def row(name, *, taken=None, **fields):
    return page.build_row(node(name, **fields), taken, now=NOW, offline_after_s=45)


@pytest.mark.parametrize(
    ("silent_s", "maintenance", "key"),
    [
        (0, False, "online"),
        (45, False, "online"),
        (45.1, False, "offline"),
        (None, False, "never"),
        (300, True, "maintenance"),
    ],
)
def test_status_is_by_the_age_of_the_last_sample(silent_s, maintenance, key):
    assert row("mta-01", silent_s=silent_s, in_maintenance=maintenance).status.key == key


def test_readings_have_units_and_what_is_high_says_so():
    one = row("mta-01", taken=sample(disk_used_percent=96.0, cpu_percent=88.0, load_1m=4.2))

    assert (one.cpu.text, one.cpu.level) == ("88.0 %", "warning")
    assert (one.disk.text, one.disk.level, one.disk.note) == ("96.0 %", "critical", "120 GB free")
    assert (one.load.text, one.load.level, one.load.note) == ("4.20", "warning", "2 cores")
    assert one.network.text.split() == ["↓", "15.0", "KB/s", "↑", "22.0", "KB/s"]
    assert one.uptime.text == "1 d"


def test_what_is_not_known_is_a_dash_and_never_zero():
    first = row("mta-01", taken=sample(net_rx_bytes_sec=None, net_tx_bytes_sec=None))

    assert (first.network.value, first.network.text) == (None, "–")  # noqa: RUF001
    assert row("mta-02").cpu.text == "–"  # noqa: RUF001


def test_a_silent_node_keeps_its_last_readings_marked_as_old():
    silent = row("mta-01", taken=sample(), silent_s=600)

    assert silent.is_stale
    assert silent.cpu.text == "12.5 %"


def test_the_nodes_that_want_you_come_first():
    rows = [
        row("a"),
        row("b", silent_s=500),
        row("c", silent_s=None),
        row("d", in_maintenance=True),
    ]

    assert [each.node.name for each in page.filter_rows(rows, page.ListParams())] == [
        "b",
        "c",
        "d",
        "a",
    ]


def test_sorting_puts_what_is_unknown_last_either_way():
    rows = [
        row("a", taken=sample(cpu_percent=10)),
        row("b"),
        row("c", taken=sample(cpu_percent=90)),
    ]

    assert [r.node.name for r in page.filter_rows(rows, page.ListParams(sort="-cpu"))] == [
        "c",
        "a",
        "b",
    ]
    assert [r.node.name for r in page.filter_rows(rows, page.ListParams(sort="cpu"))] == [
        "a",
        "c",
        "b",
    ]


def test_filters_look_at_status_role_and_any_name_or_address():
    rows = [
        row("mta-01", role="zonemta-outbound", addresses=["10.0.0.11"]),
        row("mx-01", role="haraka-inbound", hostname="MX.example", silent_s=500),
    ]

    def find_names(**params):
        return [each.node.name for each in page.filter_rows(rows, page.ListParams(**params))]

    assert find_names(status="offline") == ["mx-01"]
    assert find_names(role="zonemta-outbound") == ["mta-01"]
    assert find_names(text="mx.EX") == ["mx-01"]
    assert find_names(text="10.0.0") == ["mta-01"]
    assert find_names(text="10.0.0", status="offline") == []


def test_an_address_that_makes_no_sense_shows_the_usual_list():
    params = page.parse_params(
        {"sort": "-shoe_size", "status": "asleep", "q": " x ", "role": "r" * 200}
    )

    assert params == page.ListParams(text="x", role="r" * 64)
    assert page.parse_params({"sort": "cpu"}).parameters() == {"sort": "cpu"}


def test_a_head_turns_its_own_order_round():
    heads = {
        head.column.key: head
        for head in page.build_heads(page.ListParams(sort="-cpu"), {"range": "1h"})
    }

    assert (heads["cpu"].query, heads["cpu"].sorted) == ("sort=cpu&range=1h", "descending")
    assert (heads["memory"].query, heads["memory"].sorted) == ("sort=-memory&range=1h", "none")
    assert heads["name"].query == "sort=name&range=1h"


def test_a_menu_offers_every_order_and_the_one_in_force():
    assert ("-cpu", "cpu") in page.list_orders(page.ListParams())
    assert page.list_orders(page.ListParams(sort="cpu"))[-1] == ("cpu", "cpu, reversed")
    assert len(page.list_orders(page.ListParams(sort="-cpu"))) == len(page.COLUMNS)


def test_status_counts_leave_nobody_out():
    rows = [row("a"), row("b"), row("c", silent_s=None)]

    assert [(status.key, count) for status, count in page.count_statuses(rows)] == [
        ("never", 1),
        ("online", 2),
    ]


def test_compared_nodes_exist_once_and_are_five_at_most():
    known = [f"mta-{i}" for i in range(9)]

    assert page.select_compared(["mta-1", "nobody", "mta-1", "mta-0"], known) == ["mta-1", "mta-0"]
    assert len(page.select_compared(known, known)) == 5

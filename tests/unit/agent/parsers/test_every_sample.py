"""Every recorded answer of every program, given to every reader: a port may be another's."""

import msgspec
import pytest

from agent.parsers import banners, machine, prometheus, redis, rspamd, wildduck, zonemta
from tests.damage import assert_sane, cut
from tests.paths import TESTS

SAMPLES = TESTS / "samples"
RECORDED = sorted(
    path
    for folder in ("zonemta/http", "rspamd", "redis", "mongodb", "wildduck")
    for path in (SAMPLES / folder).iterdir()
    if path.name != "README.md"
)
READERS = {
    "ZoneMTA's counters": zonemta.parse_metrics,
    "ZoneMTA's zones": lambda text: zonemta.parse_zones(text.encode()),
    "Redis": redis.parse_info,
    "Rspamd": lambda text: rspamd.parse_stat(text.encode()),
    "WildDuck's metrics": lambda text: wildduck.parse_metrics(text).services,
    "WildDuck's health": lambda text: (
        wildduck.parse_health(200, text.encode(), is_known=True).version
    ),
    "WildDuck's users": lambda text: wildduck.parse_page(text.encode()).total,
    "WildDuck's settings": lambda text: wildduck.parse_default_quota(text.encode()),
    "Prometheus": lambda text: len(list(prometheus.parse(text))),
    "disks": lambda text: len(machine.parse_diskstats(text)),
    "interfaces": lambda text: len(machine.parse_net_dev(text)),
    "connections": machine.parse_established,
    "greetings": lambda text: banners.parse_greeting(text) or "nobody's",
}
# Whose answer each reader takes, by the beginning of the file's name.
TAKEN = {
    # One more was requested with gzip, and recorded so.
    "ZoneMTA's counters": {
        "zonemta/http/metrics-end",
        "zonemta/http/metrics-plain",
        "zonemta/http/metrics-accept-text.",
    },
    "ZoneMTA's zones": {"zonemta/http/counter-zone-empty"},
    "Redis": {"redis/"},
    "Rspamd": {"rspamd/stat"},
    "WildDuck's metrics": {"wildduck/metrics-8081"},
    "WildDuck's users": {"wildduck/users-limit2", "wildduck/users-querytoken"},
}


def body(path):
    """Return the body of a recorded answer: what follows the headers, where there are any."""
    text = path.read_text("utf-8", "replace")
    if "zonemta" in path.parts:
        return text.partition("\n}\n\n")[2]
    return text.partition("\n\n")[2] if text.startswith("HTTP/") else text


def result(reader, text):
    try:
        return READERS[reader](text)
    except ValueError:
        return None


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_takes_its_own_answers_and_is_not_upset_by_others(reader):
    for path in RECORDED:
        readings = result(reader, body(path))
        name = str(path.relative_to(SAMPLES))
        if reader in TAKEN and not name.startswith("zonemta/http/counter"):
            its_own = any(name.startswith(start) for start in TAKEN[reader])
            assert (readings is not None) == its_own, name
        assert_sane(msgspec.to_builtins(readings))


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_is_upset_by_an_answer_that_was_cut_off(reader):
    for path in RECORDED:
        for piece in cut(body(path), pieces=7):
            assert_sane(msgspec.to_builtins(result(reader, piece)))

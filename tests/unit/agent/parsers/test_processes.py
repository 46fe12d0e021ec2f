"""A process is a mail program by what runs, never by a name in its arguments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.processes import may_be_watched, parse_stat, program_of


@pytest.mark.parametrize(
    ("comm", "arguments", "program"),
    [
        # The titles are those the programs were seen with.
        ("zone-mta: maste", ["zone-mta: master process"], "zonemta"),
        ("zone-mta: sende", ["zone-mta: sender/default"], "zonemta"),
        ("redis-server", ["/usr/bin/redis-server 127.0.0.1:6379"], "redis"),
        ("redis-server", ["/run/x/redis-server 127.0.0.1:5", ""], "redis"),
        ("redis-check-rdb", ["redis-server 127.0.0.1:45433"], "redis"),
        ("mongod", ["/usr/bin/mongod", "--config", "/etc/mongod.conf"], "mongodb"),
        ("rspamd", ["rspamd: main process"], "rspamd"),
        ("node", ["node", "/opt/zone-mta/app.js", "--config=/etc/z.toml"], "zonemta"),
        ("MainThread", ["/usr/bin/node", "/opt/wildduck/server.js"], "wildduck"),
        ("MainThread", ["node", "--max-old-space-size=512", "-r", "x", "server.js"], "wildduck"),
        ("node", ["/usr/bin/node", "/usr/local/bin/haraka", "-c", "/srv/haraka"], "haraka"),
        ("node", ["node", "/usr/lib/node_modules/Haraka/bin/haraka", "-c", "/x"], "haraka"),
        ("node", ["node", "/opt/wildduck/node_modules/zone-mta/app.js"], "zonemta"),
        # These only carry a name.
        ("vim", ["vim", "/opt/zone-mta/app.js"], None),
        ("grep", ["grep", "-r", "haraka", "/etc"], None),
        ("bash", ["bash", "-c", "while pgrep redis-server; do sleep 1; done"], None),
        ("sleep", ["redis-server", "60"], None),
        ("tail", ["tail", "-f", "/var/log/mongod"], None),
        ("node", ["node", "-e", "require('zone-mta')"], None),
        ("node", ["node", "--test", "plugins/zone-mta-monitor/test/x.test.js"], None),
        ("node", ["node", "/opt/zone-mta-monitor/index.js"], None),
        ("node", ["node", "/srv/shop/index.js", "/opt/haraka"], None),
        ("node", ["node"], None),
        ("python3", ["python3", "zone-mta: master process"], None),
        ("python3", ["zone-mta: master process"], None),
        ("redis-cli", ["redis-cli", "monitor"], None),
        ("redis-check-rdb", ["redis-check-rdb", "/var/lib/redis/dump.rdb"], None),
        ("mongodump", ["mongodump"], None),
        ("wildduckling", ["wildduckling"], None),
        ("kworker/0:1", [], None),
    ],
)
def test_programs_are_distinguished_from_processes_that_only_name_them(comm, arguments, program):
    folder = "/opt/wildduck" if "server.js" in arguments else "/root"

    assert program_of(comm, [part for part in arguments if part], folder=folder) == program
    assert program is None or may_be_watched(comm)


def test_a_line_of_stat_is_read_whatever_the_name_holds():
    line = "77 (a) R (b)) S 1 77 77 0 -1 4194560 1 2 3 4 50 25 0 0 20 0 11 0 9000 1 640 18446"

    stat = parse_stat(line)

    assert (stat.pid, stat.comm, stat.state, stat.parent) == (77, "a) R (b)", "S", 1)
    assert (stat.cpu_ticks, stat.started_ticks, stat.resident_pages) == (75, 9000, 640)


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 (int's own words are as good as ours)
        parse_stat(text)


@given(st.text(max_size=20), st.lists(st.text(max_size=40), max_size=4), st.text(max_size=20))
def test_no_process_can_upset_the_matching(comm, arguments, folder):
    assert program_of(comm, arguments, folder=folder) in {
        *(None, "zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb")
    }

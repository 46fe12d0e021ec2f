"""Checks of the sources of mailbox events by doctor, and of their settings."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.config import load
from agent.doctor.disk import judge_wildduck_gaps
from agent.doctor.mailbox import check_mailbox, judge_gelf
from agent.errors import ConfigError

NEEDED = {"DASHBOARD_URL": "https://mallard.example", "API_KEY": "mlrd_x", "NODE_ID": "mx-01"}
URI = "mongodb://127.0.0.1:27017/wildduck?replicaSet=rs0"


def configure(tmp_path, **more):
    return load(NEEDED | {"AGENT_STATE_DIR": str(tmp_path)} | more, directory=tmp_path).config


@pytest.mark.parametrize(
    ("role", "wanted", "is_followed"),
    [
        ("", "auto", True),
        ("wildduck", "auto", True),
        ("mailbox+mx", "auto", True),
        ("zonemta", "auto", False),
        ("zonemta", "on", True),
        ("wildduck", "off", False),
    ],
)
def test_wildduck_is_followed_by_setting_and_role(tmp_path, role, wanted, is_followed):
    config = configure(
        tmp_path,
        NODE_ROLE=role,
        AGENT_DISCOVERY_WILDDUCK_MONGODB_URI=URI,
        AGENT_DISCOVERY_WILDDUCK_STREAM=wanted,
    )

    assert config.follows_wildduck is is_followed
    assert not configure(tmp_path, NODE_ROLE=role).follows_wildduck


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("AGENT_GELF_ADDRESS", "graylog.example", "no IPv4 address"),
        ("AGENT_GELF_ALLOW", "10.0.0.0/33", "127.0.0.0/8, 10.0.0.0/24"),
        ("AGENT_GELF_ALLOW", ",", "lets no one send"),
        ("AGENT_GELF_RELAY_TO", "127.0.0.1:12201", "own socket"),
        ("AGENT_GELF_RELAY_TO", "graylog", "AGENT_GELF_RELAY_TO"),
        ("AGENT_DISCOVERY_WILDDUCK_STREAM", "on", "needs wildduck_mongodb_uri"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_fix(tmp_path, setting, value, named):
    with pytest.raises(ConfigError, match=named):
        configure(tmp_path, AGENT_GELF_PORT="12201", **{setting: value})


def test_a_mailbox_node_without_the_database_is_named(tmp_path):
    (finding,) = check_mailbox(configure(tmp_path, NODE_ROLE="wildduck"))

    assert finding.level == "note"
    assert "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI" in finding.fix


def test_losses_of_gelf_are_named_each_with_its_fix():
    (silent,) = judge_gelf({})
    ok, dropped, unreadable, foreign = judge_gelf(
        {"gelf.events": 7, "gelf.kernel_drops": 3, "gelf.unreadable": 2, "gelf.foreign": 1}
    )

    assert silent.level == "warning"
    assert "graylogPort" in silent.fix
    assert ok.level == "ok"
    assert dropped.line.startswith("3 datagrams")
    assert "rmem_max" in dropped.fix
    assert (unreadable.level, foreign.level) == ("warning", "warning")


def test_a_gap_is_named_for_a_week():
    now = datetime(2026, 12, 1, tzinfo=UTC)
    gap = {"from_at": None, "to_at": now.isoformat(), "reason": "the oplog", "lost_count": None}

    (finding,) = judge_wildduck_gaps([gap], now=now)

    assert "the oplog" in finding.line
    assert list(judge_wildduck_gaps([gap], now=now + timedelta(days=8))) == []

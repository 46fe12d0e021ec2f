"""The command line, as a person uses it."""

import json

import pytest

from agent import __version__, cli

COMMANDS = ["run", "once", "check-config", "doctor", "spool", "version"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in ("DASHBOARD_URL", "API_KEY", "NODE_ID", "AGENT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("AGENT_CONFIG", str(tmp_path / "empty.toml"))
    monkeypatch.setenv("AGENT_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_help_names_every_command_variable_and_exit_code(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])

    text = capsys.readouterr().out
    assert caught.value.code == 0
    for word in [*COMMANDS, "DASHBOARD_URL", "API_KEY", "AGENT_ZONEMTA_MONGODB_URI", "exit codes"]:
        assert word in text


def test_version_is_the_version(capsys):
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_once_prints_a_sample_and_needs_no_server(capsys, monkeypatch):
    monkeypatch.setenv("NODE_ID", "mta-07")

    assert cli.main(["once"]) == 0

    assert json.loads(capsys.readouterr().out)["system"]["node_id"] == "mta-07"


def test_a_wrong_configuration_is_exit_code_2_and_one_line(capsys, monkeypatch):
    monkeypatch.setenv("AGENT_STAT_DIR", "x")

    assert cli.main(["run"]) == 2

    message = capsys.readouterr().err
    assert "AGENT_STATE_DIR" in message
    assert message.count("\n") == 1


def test_check_config_shows_what_is_in_force_but_no_secret(capsys, monkeypatch):
    monkeypatch.setenv("DASHBOARD_URL", "https://dashboard.example")
    monkeypatch.setenv("API_KEY", "hush-hush")
    monkeypatch.setenv("AGENT_EVENTS_GRACE_S", "3")

    assert cli.main(["check-config"]) == 0

    text = capsys.readouterr().out
    assert "hush-hush" not in text
    assert "events.grace_s = 3.0  [the environment]" in text


def test_spool_without_a_spool_says_so(capsys):
    assert cli.main(["spool"]) == 1
    assert "AGENT_STATE_DIR" in capsys.readouterr().err


def test_spool_shows_what_waits_beside_a_running_agent(capsys, spool):
    spool.append_sample(b"{}")

    assert cli.main(["spool"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["samples"]["count"] == 1
    assert shown["samples"]["oldest_at"]
    assert shown["events"] == {
        "count": 0,
        "bytes": 0,
        "oldest_at": None,
        "oldest_seq": None,
        "sent": 0,
        "dropped": 0,
        "refused": 0,
        "postponed": 0,
        "dropped_ranges_to_tell": 0,
    }
    assert shown["plugin"] == {"dropped": 0, "processes_count": 0, "heard_at": None}

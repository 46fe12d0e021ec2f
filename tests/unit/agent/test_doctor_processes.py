"""Findings of the doctor about the processes of a machine, their users and the socket."""

import os
import pathlib

import pytest

from agent.collectors.system import SystemCollector
from agent.config import Config
from agent.doctor.processes import check_processes, judge_access, parse_user
from agent.doctor.running import check_other_agents, is_running_agent

PROC_LINE = "22 27 0:21 / /proc rw,nosuid shared:12 - proc proc {}"


def machine(folder, options, *, sees_first):
    """Write a /proc that is mounted with these options; return its folder."""
    lines = [PROC_LINE.format("rw"), PROC_LINE.format(options), ""]
    (folder / "self").mkdir()
    (folder / "self" / "mountinfo").write_text("\n".join(lines))
    if sees_first:
        (folder / "1").mkdir()
        (folder / "1" / "stat").write_text("1 (systemd) S 0")
    return folder


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("rw,hidepid=invisible,gid=996", "usermod -aG 996"),
        ("rw,hidepid=2", "mount -o remount,gid=GROUP /proc"),
        ("rw,hidepid=noaccess", "GROUP"),
    ],
)
def test_processes_that_are_hidden_are_named_with_the_remedy(tmp_path, options, words):
    proc = machine(tmp_path, options, sees_first=False)

    (finding,) = check_processes(Config(node_id="a", runtime_dir=str(tmp_path)), proc=proc)

    assert (finding.level, finding.subject) == ("warning", "processes")
    assert "hidepid" in finding.line
    assert words in finding.fix


@pytest.mark.parametrize(
    ("options", "sees_first"),
    [("rw,hidepid=2", True), ("rw", False), ("rw,hidepid=off", False)],
)
def test_who_sees_all_processes_is_not_warned(tmp_path, options, sees_first):
    proc = machine(tmp_path, options, sees_first=sees_first)

    assert list(check_processes(Config(node_id="a", runtime_dir=str(tmp_path)), proc=proc)) == []


def test_a_program_that_may_be_hidden_is_not_reported_as_not_found(tmp_path, caplog):
    proc = machine(tmp_path, "rw,hidepid=2", sees_first=False)

    sample = SystemCollector(node="n", programs=("zonemta",), proc=proc, sys=tmp_path).sample()

    assert sample.processes == {}
    assert "hidepid=2" in caplog.text


STATUS = "Name:\tnode\nUid:\t998\t{0}\t998\t998\nGid:\t998\t998\t998\t998\nGroups:\t{1} \n"


@pytest.mark.parametrize(
    ("user", "group", "level"),
    [(990, "5", "warning"), (990, "own", "ok"), (0, "5", "ok"), ("own", "5", "ok")],
)
def test_a_mail_program_that_may_not_open_the_socket_is_found(
    receiver, monkeypatch, user, group, level
):
    receiver.path.parent.chmod(0o750)
    found = receiver.path.stat()
    own = {"user": found.st_uid or 4242, "group": found.st_gid or 4343}
    text = STATUS.format(
        own["user"] if user == "own" else user, own["group"] if group == "own" else group
    )
    parsed = parse_user(text)
    real = pathlib.Path.stat

    def stat_of(path, **named):
        seen = real(path, **named)
        if not path.is_relative_to(receiver.path.parent):
            return seen
        return os.stat_result((*seen[:4], own["user"], own["group"], *seen[6:]))

    monkeypatch.setattr("pathlib.Path.stat", stat_of)

    (finding,) = judge_access("zonemta", parsed, receiver.path)

    assert finding.level == level
    assert level == "ok" or "usermod -aG" in finding.fix


def test_a_user_of_a_damaged_status_is_unknown():
    assert parse_user("") is None
    assert parse_user("Uid:\tx\ty\nGid:\t1\t1\n") is None


@pytest.mark.parametrize(
    ("arguments", "is_agent"),
    [
        (["/usr/local/sbin/mallard-agent", "--config", "/etc/x", "run"], True),
        (["python3.11", "/usr/bin/mallard-agent", "run"], True),
        (["sudo", "mallard-agent", "run"], False),
        (["mallard-agent", "doctor"], False),
        ([""], False),
    ],
)
def test_an_agent_is_known_by_its_arguments(arguments, is_agent):
    assert is_running_agent(arguments) is is_agent


def test_a_second_agent_on_the_machine_is_named(tmp_path):
    for number in (7, 12):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(b"/opt/mallard-agent\0run\0")

        findings = list(check_other_agents(proc=tmp_path))

        assert bool(findings) is (number == 12)

    assert "processes 7, 12" in findings[0].line
    assert "AGENT_STATE_DIR" in findings[0].fix

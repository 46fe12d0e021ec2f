"""Problems of nodes that report, in the words of the sentence."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent import roles as agent_roles
from server.alerts.nodes import judge_program
from server.alerts.present.problems import find_problems
from server.alerts.present.standing import NONE_STANDS, build_glance, step_standing
from server.metrics.newest import NodeState
from server.nodes import roles

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def state(name="mx-01", role="haraka-inbound", disk=50.0, mounts=(), closed=(), **programs):
    return NodeState(name, role, None, disk, list(mounts), programs, list(closed))


def find(states):
    glance = build_glance(NOW, states=states)
    return find_problems(step_standing(NONE_STANDS, glance), glance)


def mount(mount_point, percent, inodes_percent=None):
    return {"mount_point": mount_point, "used_percent": percent,
            "inodes_used_percent": inodes_percent}  # fmt: skip


@pytest.mark.parametrize(
    ("node", "texts"),
    [
        pytest.param(state(), [], id="all is well"),
        pytest.param(state(haraka="stopped"), ["Haraka stopped on mx-01"], id="a program stopped"),
        pytest.param(
            state(haraka="not_found"), ["Haraka stopped on mx-01"],
            id="after a reboot the agent knows of no Haraka, and the role names one",
        ),
        pytest.param(state(role="", redis="not_found"), [], id="a program nobody expects"),
        pytest.param(
            state(haraka="stopped", rspamd="stopped"), ["Haraka and Rspamd stopped on mx-01"],
            id="two programs",
        ),
        pytest.param(state(disk=97.4), ["the disk of mx-01 is 97 % full"], id="a full disk"),
        pytest.param(
            state(mounts=[mount("/", 50.0), mount("/var", 99.2)]), ["/var of mx-01 is 99 % full"],
            id="a full file system that is not the root's",
        ),
        pytest.param(
            state(mounts=[mount("/", 50.0, 100.0)]), ["/ of mx-01 is 100 % full"],
            id="a file system without inodes left",
        ),
        pytest.param(state(disk=94.9), [], id="a disk that is not full yet"),
        pytest.param(state(disk=None), [], id="a disk of which nothing is known"),
        pytest.param(
            state(closed=["port_25"]), ["port 25 closed on mx-01"],
            id="a program runs and its port is closed",
        ),
        pytest.param(
            state(closed=["port_25", "port_11334"], haraka="stopped"),
            ["Haraka stopped on mx-01", "port 11334 closed on mx-01"],
            id="the port of a stopped program is closed for that reason",
        ),
        pytest.param(
            state(closed=["port_993", "port_25"]), ["ports 25, 993 closed on mx-01"],
            id="several ports",
        ),
    ],
)  # fmt: skip
def test_a_problem_of_a_node_is_named(node, texts):
    assert [problem.text for problem in find([node])] == texts


def test_one_program_that_stopped_on_many_nodes_is_one_problem():
    states = [state(f"mx-{n:02}", haraka="stopped") for n in range(1, 11)]

    (problem,) = find(states)

    assert problem.text == "Haraka stopped on 10 nodes: mx-01, mx-02, mx-03 …"
    assert problem.nodes == tuple(each.name for each in states)


def test_programs_that_stopped_on_the_same_nodes_are_named_together():
    both = {"haraka": "stopped", "rspamd": "stopped"}

    assert [problem.text for problem in find([state("a", **both), state("b", **both)])] == [
        "Haraka and Rspamd stopped on 2 nodes: a, b"
    ]
    assert [
        problem.text for problem in find([state("a", **both), state("b", haraka="stopped")])
    ] == ["Haraka stopped on 2 nodes: a, b", "Rspamd stopped on a"]


def test_one_port_that_is_closed_on_many_nodes_is_one_problem():
    states = [state(name, closed=["port_993", "port_25"]) for name in "abcd"]

    (problem,) = find(states)

    assert problem.text == "ports 25, 993 closed on 4 nodes: a, b, c …"


def test_the_name_of_a_node_from_right_to_left_reorders_no_other_word():
    hebrew = "\N{HEBREW LETTER ALEF}-1"

    (problem,) = find([state(hebrew, haraka="stopped")])

    assert problem.text == f"Haraka stopped on \N{FIRST STRONG ISOLATE}{hebrew}" + (
        "\N{POP DIRECTIONAL ISOLATE}"
    )


def test_causes_come_before_what_they_lead_to():
    states = [state("a", closed=["port_993"]), state("b", disk=99.0), state("c", haraka="stopped")]

    assert [problem.kind for problem in find(states)] == ["program", "disk", "ports"]


@pytest.mark.parametrize(
    ("status", "is_expected", "judged"),
    [
        ("running", True, ("running", "ok")),
        ("stopped", False, ("stopped", "critical")),
        ("not_found", True, ("stopped", "critical")),
        ("not_found", False, ("not found", "none")),
        ("of a later version", True, ("of a later version", "none")),
    ],
)
def test_a_program_is_judged_by_its_status_and_the_role(status, is_expected, judged):
    assert judge_program(status, is_expected=is_expected) == judged


@pytest.mark.parametrize(
    "role",
    [*agent_roles.WORDS, "zonemta-outbound", "Zone-MTA", "haraka-inbound rspamd", "all-in-one", "",
     "wildduck+redis", "backup"],
)  # fmt: skip
def test_server_and_agent_read_the_same_programs_from_a_role(role):
    assert roles.programs_of(role) == set(agent_roles.programs_of(role))


def test_full_disks_everywhere_do_not_hide_a_wrong_clock():
    states = [state(f"mx-0{n}", disk=99.0) for n in (1, 2, 3)]
    states[0] = replace(states[0], clock_ahead_ms=660_000)

    kinds = [problem.as_json()["kind"] for problem in find(states)]
    assert kinds == ["disk", "clock", "disk", "disk"]

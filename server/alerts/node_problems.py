"""Problems of nodes that report: stopped programs, closed ports, full disks. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from server.alerts.nodes import fill_percent, find_fullest, judge_percent, judge_program
from server.metrics.newest import NodeState
from server.nodes.roles import programs_of

PROGRAM_NAMES = {
    "zonemta": "ZoneMTA", "haraka": "Haraka", "wildduck": "WildDuck", "mongodb": "MongoDB",
    "redis": "Redis", "rspamd": "Rspamd",
}  # fmt: skip
#: Port → the program that listens there by default.
PROGRAM_OF_PORT = {
    "25": "haraka", "587": "zonemta", "12080": "zonemta", "993": "wildduck", "995": "wildduck",
    "143": "wildduck", "8080": "wildduck", "24": "wildduck", "11334": "rspamd", "6379": "redis",
    "27017": "mongodb",
}  # fmt: skip


#: A clock this far off is told to everybody. Its times are corrected from 5 s ahead or 30 s behind.
WRONG_CLOCK = timedelta(minutes=1)


@dataclass(frozen=True)
class NodeProblem:
    """A problem of one node. `kind`: program, ports or disk; `text`: the problem in words."""

    kind: str
    node: str
    text: str
    level: ClassVar[str] = "warning"

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def find_node_problems(states: Iterable[NodeState]) -> list[NodeProblem]:
    """Return the problems of nodes by kind: programs first, as their ports are closed for it."""
    found = [problem for state in states for problem in _problems(state)]
    order = ("program", "disk", "ports")
    return sorted(found, key=lambda problem: order.index(problem.kind))


def find_wrong_clocks(states: Iterable[NodeState]) -> list[tuple[str, timedelta]]:
    """Return the nodes with a wrong clock, and how far it is ahead, the worst first."""
    clocks = [(state.name, timedelta(milliseconds=state.clock_ahead_ms or 0)) for state in states]
    wrong = [clock for clock in clocks if abs(clock[1]) >= WRONG_CLOCK]
    return sorted(wrong, key=lambda clock: (-abs(clock[1]), clock[0]))


def _full_disk(state: NodeState) -> Iterator[NodeProblem]:
    fullest = find_fullest(state.file_systems)
    if fullest:
        what, percent = f"{fullest['mount_point']} of {state.name}", fill_percent(fullest)
    else:
        what, percent = f"the disk of {state.name}", state.disk_used_percent or 0.0
    if judge_percent("disk", percent) == "critical":
        yield NodeProblem("disk", state.name, f"{what} is {percent:.0f} % full")


def _problems(state: NodeState) -> Iterator[NodeProblem]:
    expected = programs_of(state.role)
    stopped = {
        program
        for program, status in state.programs.items()
        if judge_program(status, is_expected=program in expected)[0] == "stopped"
    }
    if stopped:
        names = " and ".join(sorted(PROGRAM_NAMES.get(program, program) for program in stopped))
        yield NodeProblem("program", state.name, f"{names} stopped on {state.name}")
    yield from _full_disk(state)
    closed = [
        number
        for number in (service.removeprefix("port_") for service in state.closed)
        if PROGRAM_OF_PORT.get(number) not in stopped
    ]
    if closed:
        word = "port" if len(closed) == 1 else "ports"
        numbers = ", ".join(sorted(closed, key=lambda number: (len(number), number)))
        yield NodeProblem("ports", state.name, f"{word} {numbers} closed on {state.name}")

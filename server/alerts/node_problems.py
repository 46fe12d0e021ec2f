"""Problems of nodes that report: stopped programs, closed ports, full disks. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from server.alerts.nodes import fill_percent, find_fullest, judge_percent, judge_program
from server.formats import isolate
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


#: A problem that many nodes have names this many of them.
MAX_NAMED_NODES = 3


@dataclass(frozen=True)
class NodeProblem:
    """A problem of one node, or the same one of several. `kind`: program, ports or disk; `text`:
    the problem in words."""

    kind: str
    nodes: tuple[str, ...]
    text: str
    level: ClassVar[str] = "warning"

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def find_node_problems(states: Iterable[NodeState]) -> list[NodeProblem]:
    """Return the problems of nodes by kind: programs first, as their ports are closed for it.

    One program that stopped everywhere is one problem, and so is one port.
    """
    nodes_of: dict[str, list[str]] = defaultdict(list)
    closed_on: dict[str, list[str]] = defaultdict(list)
    disks: list[NodeProblem] = []
    for state in states:
        stopped = find_stopped(state)
        for name in sorted(PROGRAM_NAMES.get(program, program) for program in stopped):
            nodes_of[name].append(state.name)
        for number in find_closed(state, stopped):
            closed_on[number].append(state.name)
        disks += _full_disk(state)
    programs = [
        NodeProblem("program", nodes, f"{' and '.join(programs)} stopped on {_name_nodes(nodes)}")
        for nodes, programs in _by_nodes(nodes_of)
    ]
    ports = [
        NodeProblem(
            "ports",
            nodes,
            f"{'port' if len(numbers) == 1 else 'ports'} {', '.join(numbers)}"
            f" closed on {_name_nodes(nodes)}",
        )
        for nodes, numbers in _by_nodes(closed_on)
    ]
    return [*programs, *disks, *ports]


def find_wrong_clocks(states: Iterable[NodeState]) -> list[tuple[str, timedelta]]:
    """Return the nodes with a wrong clock, and how far it is ahead, the worst first."""
    clocks = [(state.name, timedelta(milliseconds=state.clock_ahead_ms or 0)) for state in states]
    wrong = [clock for clock in clocks if abs(clock[1]) >= WRONG_CLOCK]
    return sorted(wrong, key=lambda clock: (-abs(clock[1]), clock[0]))


def _full_disk(state: NodeState) -> Iterator[NodeProblem]:
    fullest = find_fullest(state.file_systems)
    if fullest:
        what, percent = str(fullest["mount_point"]), fill_percent(fullest)
    else:
        what, percent = "the disk", state.disk_used_percent or 0.0
    if judge_percent("disk", percent) == "critical":
        text = f"{isolate(what)} of {isolate(state.name)} is {percent:.0f} % full"
        yield NodeProblem("disk", (state.name,), text)


def find_stopped(state: NodeState) -> list[str]:
    """Return the programs that should run on a node and do not, sorted."""
    expected = programs_of(state.role)
    return sorted(
        program
        for program, status in state.programs.items()
        if judge_program(status, is_expected=program in expected)[0] == "stopped"
    )


def find_closed(state: NodeState, stopped: Sequence[str]) -> list[str]:
    """Return the closed ports whose program has not stopped, in the order of their numbers."""
    numbers = (service.removeprefix("port_") for service in state.closed)
    closed = [number for number in numbers if PROGRAM_OF_PORT.get(number) not in stopped]
    return sorted(closed, key=lambda number: (len(number), number))


def _by_nodes(nodes_of: Mapping[str, Sequence[str]]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Return what is so on the same nodes together, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for what, nodes in nodes_of.items():
        groups[tuple(nodes)].append(what)
    return list(groups.items())


def _name_nodes(nodes: Sequence[str]) -> str:
    if len(nodes) == 1:
        return isolate(nodes[0])
    named = ", ".join(isolate(node) for node in nodes[:MAX_NAMED_NODES])
    return f"{len(nodes)} nodes: {named}{' …' if len(nodes) > MAX_NAMED_NODES else ''}"

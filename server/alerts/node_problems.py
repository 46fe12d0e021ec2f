"""Programs and ports of nodes that report: what stopped, what is closed. Pure."""

from collections.abc import Sequence

from server.alerts.nodes import judge_program
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


#: A problem that many nodes have names this many of them.
MAX_NAMED_NODES = 3


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


def name_nodes(nodes: Sequence[str]) -> str:
    """Return the names of some nodes, a few of them if there are many."""
    if len(nodes) == 1:
        return isolate(nodes[0])
    named = ", ".join(isolate(node) for node in nodes[:MAX_NAMED_NODES])
    return f"{len(nodes)} nodes: {named}{' …' if len(nodes) > MAX_NAMED_NODES else ''}"

"""Conditions of programs and their ports. Pure."""

from collections.abc import Iterator

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.node_problems import PROGRAM_NAMES, PROGRAM_OF_PORT
from server.alerts.nodes import judge_program
from server.alerts.snapshot import Snapshot
from server.metrics.newest import NodeState
from server.nodes.roles import programs_of


def find_stopped(state: NodeState) -> set[str]:
    """Return the programs that should run on a node and do not."""
    expected = programs_of(state.role)
    return {
        program
        for program, status in state.programs.items()
        if judge_program(status, is_expected=program in expected)[0] == "stopped"
    }


def read_programs(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each program that stopped, by two samples."""
    for state in snapshot.states:
        for program in sorted(find_stopped(state)):
            text = f"{PROGRAM_NAMES.get(program, program)} stopped on {state.name}"
            subject = Subject("program", f"{state.name}/{program}", state.name)
            yield Reading(subject, 1.0, text, {"status": state.programs[program]})


def read_ports(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each closed port whose program runs: a stopped one has none open."""
    for state in snapshot.states:
        stopped = find_stopped(state)
        for service in state.closed:
            number = service.removeprefix("port_")
            if PROGRAM_OF_PORT.get(number) in stopped:
                continue
            subject = Subject("port", f"{state.name}/{number}", state.name)
            yield Reading(subject, 1.0, f"Port {number} is closed on {state.name}")


STOPPED = Condition(
    "program_stopped", "program", "system", "A program that ran does not run.", read_programs
)
CLOSED = Condition(
    "port_closed", "port", "system", "A port of a program that runs takes no connections.",
    read_ports,
)  # fmt: skip
CONDITIONS = (STOPPED, CLOSED)
RULES = (
    alarm("program_stopped", STOPPED, for_="15 s"),
    warn("port_closed", CLOSED, for_="30 s"),
)

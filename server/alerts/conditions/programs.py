"""Conditions of programs and their ports. Pure."""

from collections.abc import Iterator

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.node_problems import PROGRAM_NAMES, find_closed, find_stopped
from server.alerts.snapshot import Snapshot


def read_programs(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each program that stopped, by two samples."""
    for state in snapshot.states:
        for program in find_stopped(state):
            text = f"{PROGRAM_NAMES.get(program, program)} stopped on {state.name}"
            subject = Subject("program", f"{state.name}/{program}", state.name)
            yield Reading(subject, 1.0, text, {"status": state.programs[program]})


def read_ports(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each closed port whose program runs: a stopped one has none open."""
    for state in snapshot.states:
        for number in find_closed(state, find_stopped(state)):
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

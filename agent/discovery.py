"""What runs on this node, found by looking; `agent.roles` has what follows from it."""

from agent.roles import PROGRAMS, ports_of, programs_of

__all__ = ["PROGRAMS", "ports_of", "programs_of"]

"""Kill and cut off the server under load, look for losses.

Also fills its memory and disk. Agents send numbered batches with the tricks that real networks
play, two of them by clocks that are 11 minutes ahead and an hour behind. After the last kill the
inbox drains, and what was acknowledged is compared with rows, counts and ledger.
"""

import argparse
import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict

from build.lab.faults import ServerFaults
from build.lab.installation import Installation, run_installation
from build.lab.oracle import ServerVerdict, judge_server
from build.stack.command import report_progress
from tests.fakes.numbered_agent import TIMEOUT_S, NumberedAgent
from tests.incidents.real_alerts import LOOPBACK_ALLOWED

AGENTS = 4
#: Entries of a dead worker are claimed ten times sooner than by default: harsher on living ones.
CLAIM_AFTER_MS = 3_000
#: Enough for Redis to write its file anew while the old ones are there: of 256 they left nothing
#: after 430 kills on a busy machine, and it could not start again.
INBOX_DISK_MIB = 1024
#: Two, so that one writes while the other is stopped, killed, or comes back with old entries.
WORKERS = 2
REPORT_EVERY = 10
#: A batch not acknowledged for this long after the last fault is given up, and the run fails.
FINISH_WITHIN_S = 180.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cycles", type=int, default=25, help="SIGKILLs, one a cycle")
    parser.add_argument("--seed", type=int, help="of the order of all faults; default: random")


def run(options: argparse.Namespace) -> int:
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    report_progress(f"crash: {options.cycles} cycles, seed {seed}")
    with run_under_faults("crash", seed=seed, cycles=options.cycles) as survivor:
        installation, agents, faults = survivor
        verdict = judge_server(installation, [b for agent in agents for b in agent.acknowledged])
    print(format_text(agents, faults, verdict))
    print(format_json(faults, verdict), flush=True)
    has_given_up = any(agent.given_up for agent in agents)
    return 0 if verdict.is_clean and not has_given_up and not faults.stuck else 1


@contextlib.contextmanager
def run_under_faults(
    name: str,
    *,
    seed: int,
    cycles: int,
    beside: Callable[[Installation], AbstractContextManager[object]] = contextlib.nullcontext,
) -> Iterator[tuple[Installation, list[NumberedAgent], ServerFaults]]:
    """Inject faults under load, let everything be acknowledged and stored, and yield all of it.

    `beside`: what else happens to the installation while faults are injected.
    """
    nodes = [f"crash-mta-{n}" for n in range(AGENTS)]
    with run_installation(
        name,
        nodes=nodes,
        environment={"WRITER_CLAIM_AFTER_MS": str(CLAIM_AFTER_MS), **LOOPBACK_ALLOWED},
        inbox_disk_mib=INBOX_DISK_MIB,
        workers=WORKERS,
    ) as installation:
        faults = ServerFaults(installation, seed=seed)
        port, keys = installation.server.web_port, installation.keys
        agents = [NumberedAgent(port, keys[node], n, seed=seed) for n, node in enumerate(nodes)]
        with beside(installation):
            for cycle in range(1, cycles + 1):
                faults.inject()
                if cycle % REPORT_EVERY == 0:
                    report_progress(f"  {cycle} kills")
        for agent in agents:
            if not agent.finish(within_s=FINISH_WITHIN_S):
                agent.join(2 * TIMEOUT_S)
        report_progress(f"  {installation.count_waiting():,} batches wait in the inbox")
        installation.drain()
        yield installation, agents, faults


def format_text(
    agents: Sequence[NumberedAgent], faults: ServerFaults, verdict: ServerVerdict
) -> str:
    figures = {
        "killed": faults.kills,
        "also": faults.others,
        "agents": sum((agent.tricks for agent in agents), Counter[str]()),
        "answers": sum((agent.answers for agent in agents), Counter[str]()),
        "batches acknowledged": sum(len(agent.acknowledged) for agent in agents),
        "batches given up": sum(len(agent.given_up) for agent in agents),
        **asdict(verdict),
    }
    examples = figures.pop("examples")
    again = f"again: --cycles {faults.kills.total()} --seed {faults.seed}"
    return "\n".join([json.dumps(figures, indent=1), *examples, *faults.stuck, again])


def format_json(faults: ServerFaults, verdict: ServerVerdict) -> str:
    names = ("acknowledged", "missing", "twice", "rollup_difference", "ledger_difference")
    counts = {name: getattr(verdict, name) for name in names}
    return json.dumps({"kills": faults.kills.total(), **counts, "seed": faults.seed})

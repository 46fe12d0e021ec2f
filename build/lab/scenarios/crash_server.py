"""Kill and cut off the server under load, look for losses.

Also fills its memory and disk. Agents send numbered batches with the tricks that real networks
play, two of them by clocks that are 11 minutes ahead and an hour behind. After the last kill the
inbox drains, and what was acknowledged is compared with rows, counts and ledger.
"""

import argparse
import contextlib
import json
import random
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta

from build.lab.faults import ServerFaults
from build.lab.installation import Installation, run_installation
from build.lab.oracle import ServerVerdict, judge_server
from build.lab.traffic import Connection, Sender, connect_ingest
from build.stack.command import report_progress
from tests.batches import CLOCKS, Batch, plan_batches

AGENTS = 4
#: Entries of a dead worker are claimed ten times sooner than by default: harsher on living ones.
CLAIM_AFTER_MS = 3_000
#: Enough for Redis to write its file anew while the old ones are there: of 256 they left nothing
#: after 430 kills on a busy machine, and it could not start again.
INBOX_DISK_MIB = 1024
#: Two, so that one writes while the other is stopped, killed, or comes back with old entries.
WORKERS = 2
REPORT_EVERY = 10
TIMEOUT_S = 15.0
#: A batch not acknowledged for this long after the last fault is given up, and the run fails.
FINISH_WITHIN_S = 180.0
#: Rest of an agent after each batch: the faults matter here, not the rate.
REST_S = 0.02
MAX_HELD_BATCHES = 8
HELD_SHARE, RELEASED_SHARE = 0.06, 0.07
#: Of a die from 0 to 1, up to where each trick goes; beyond the last a batch is sent plainly.
HANG_UP_TO, SECOND_SOURCE_TO, AGAIN_TO = 0.04, 0.12, 0.2


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
    name: str, *, seed: int, cycles: int
) -> Iterator[tuple[Installation, list["NumberedAgent"], ServerFaults]]:
    """Inject faults under load, let everything be acknowledged and stored, and yield all of it."""
    with run_installation(
        name,
        nodes=[f"crash-mta-{n}" for n in range(AGENTS)],
        environment={"WRITER_CLAIM_AFTER_MS": str(CLAIM_AFTER_MS)},
        inbox_disk_mib=INBOX_DISK_MIB,
        workers=WORKERS,
    ) as installation:
        faults = ServerFaults(installation, seed=seed)
        agents = [NumberedAgent(installation, n, seed=seed) for n in range(AGENTS)]
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


class NumberedAgent(Sender):
    """Sends numbered batches; `acknowledged` has exactly those that were answered with 202."""

    def __init__(self, installation: Installation, node: int, *, seed: int) -> None:
        super().__init__()
        self.acknowledged: list[Batch] = []
        self.tricks: Counter[str] = Counter()
        self.given_up: list[Batch] = []
        self._rng = random.Random(f"{seed}|{node}")  # noqa: S311 (the same batches for a seed)
        self._plan = plan_batches(node, self._rng)
        port, key = installation.server.web_port, installation.keys[f"crash-mta-{node}"]
        self._first = connect_ingest(port, key, timeout_s=TIMEOUT_S)
        self._second = connect_ingest(port, key, timeout_s=TIMEOUT_S)
        self._first.ahead = self._second.ahead = CLOCKS.get(node, timedelta())
        self.start()

    def run(self) -> None:
        held: list[Batch] = []
        for batch in self._plan:
            if self._rng.random() < HELD_SHARE and len(held) < MAX_HELD_BATCHES:
                self.tricks["held back"] += 1
                held.append(batch)
            else:
                self._deliver(batch)
            is_last = self.stopping.wait(REST_S)
            while held and (is_last or self._rng.random() < RELEASED_SHARE):
                self._deliver(held.pop(self._rng.randrange(len(held))))
            if is_last:
                break
        self._first.close()
        self._second.close()

    def _deliver(self, batch: Batch) -> None:
        body, dice = batch.build_body(), self._rng.random()
        if dice < HANG_UP_TO:
            self.tricks["answer not awaited"] += 1
            with contextlib.suppress(OSError):
                self._first.send(body)
            self._first.close()
        second = None
        if HANG_UP_TO <= dice < SECOND_SOURCE_TO:
            # Two sources at the same time, as plugin and change stream are.
            self.tricks["from two sources at once"] += 1
            later = timedelta(milliseconds=self._rng.uniform(1, 3000))
            inferred = batch.build_inferred_body(later=later)
            second = threading.Thread(target=self._post, args=(self._second, inferred))
            second.start()
        if self._first.post_until_accepted(body, self.answers, self.give_up) is None:
            self.given_up.append(batch)
            return
        self.acknowledged.append(batch)
        if second:
            second.join()
        if SECOND_SOURCE_TO <= dice < AGAIN_TO:
            self.tricks["sent again"] += 1
            self._post(self._first, body)

    def _post(self, connection: Connection, body: bytes) -> None:
        self.answers[connection.post(body)[0]] += 1


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

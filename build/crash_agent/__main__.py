"""`python -m build.crash_agent`: SIGKILL at random moments, with three plugins that send, and a
server that fails every fifth time and is away for some lives of the agent altogether; then every
acknowledged event is looked for at the server.

The last line of standard output is JSON: `kills acknowledged missing twice holes out_of_order
contradictions seed`. The exit code is 1 when anything but the first two is not 0.

`missing`: acknowledged by the receiver and never at the server. `twice`: the same event under two
numbers. `holes`: numbers that never came and were not declared dropped. `out_of_order`: a number
that came first after a higher one. `contradictions`: one number, two events.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from build import freeze
from build.crash_agent.door import Taken, opened
from build.crash_agent.sender import Sender
from build.stack.agent import listens
from build.stack.errors import StackError
from build.stack.paths import ROOT
from build.stack.supervisor import end_on_signals, python, tail

SENDERS = 3
SENDER_PAUSE_S = 0.05
# The agent is let live this long after each start: from before it listens to well into its work.
LONGEST_LIFE_S = 1.5
# Of the kills, how many may come before it listens; of its lives, in how many no server takes.
EARLY_RATIO = 0.25
AWAY_RATIO = 0.25
FAILING_PERCENT = 20
START_WITHIN_S = 30.0
FINISH_WITHIN_S = 120.0
STOP_WITHIN_S = 30.0


@dataclass(frozen=True)
class Result:
    """What came of a run."""

    kills: int
    acknowledged: int
    missing: int
    twice: int
    holes: int
    out_of_order: int
    contradictions: int
    seed: str

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled or mixed up."""
        faults = (self.missing, self.twice, self.holes, self.out_of_order, self.contradictions)
        return not any(faults) and self.acknowledged > 0


def judge(taken: Taken, acknowledged: Sequence[str], *, kills: int, seed: str) -> Result:
    """Compare what the plugins were told with what the server has. Pure."""
    counts = Counter(event for numbered in taken.numbered.values() for event in numbered.values())
    holes = 0
    for epoch, numbered in taken.numbered.items():
        holes += max(numbered) - len(numbered.keys() | taken.dropped.get(epoch, set()))
    return Result(
        kills=kills,
        acknowledged=len(acknowledged),
        missing=sum(1 for event in acknowledged if event not in counts),
        twice=sum(1 for count in counts.values() if count > 1),
        holes=holes,
        out_of_order=sum(
            1
            for order in taken.order.values()
            for before, after in pairwise(order)
            if after < before
        ),
        contradictions=taken.contradictions,
        seed=seed,
    )


class Agent:
    """The agent's process, begun again and again with the same state."""

    def __init__(self, command: Sequence[str], home: Path, *, url: str) -> None:
        self.socket = home / "receiver.sock"
        self.log = home / "agent.log"
        (home / "agent.toml").touch()
        self._command = command
        self._home = home
        self._environment: Mapping[str, str] = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "DASHBOARD_URL": url,
            "API_KEY": "mlrd_crash",
            "NODE_ID": "crash",
            "AGENT_STATE_DIR": str(home),
            "AGENT_RUNTIME_DIR": str(home),
            "AGENT_CONFIG": str(home / "agent.toml"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; return at once."""
        with self.log.open("ab") as log:
            self._process = self._spawn(log)

    def wait_until_it_listens(self) -> None:
        """Return when plugins are answered. Raise StackError when that takes too long."""
        end_s = time.monotonic() + START_WITHIN_S
        while not listens(self.socket):
            process = self._process
            if time.monotonic() > end_s or process is None or process.poll() is not None:
                raise StackError(
                    f"The agent does not listen; the end of its log:\n{tail(self.log)}"
                )
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> int:
        """SIGTERM; return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._process.wait(STOP_WITHIN_S)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "run"], env=self._environment, cwd=self._home, stderr=log
        )


def run(command: Sequence[str], *, kills: int, seed: str, home: Path) -> Result:
    """Do it. Raises StackError when the agent does not come back."""
    chance = random.Random(seed)  # noqa: S311 (reproducible)
    taken = Taken(random.Random(f"{seed} door"))  # noqa: S311
    with opened(taken) as url:
        agent = Agent(command, home, url=url)
        senders = [
            Sender(agent.socket, seed=f"{seed} {number}", pause_s=SENDER_PAUSE_S)
            for number in range(SENDERS)
        ]
        try:
            agent.start()
            for sender in senders:
                sender.start()
            for number in range(kills):
                taken.failing_percent = 100 if chance.random() < AWAY_RATIO else FAILING_PERCENT
                if chance.random() >= EARLY_RATIO:
                    agent.wait_until_it_listens()
                time.sleep(chance.random() * LONGEST_LIFE_S)
                agent.kill()
                agent.start()
                if (number + 1) % 20 == 0:
                    print(f"{number + 1} kills", flush=True)
            agent.wait_until_it_listens()
            taken.failing_percent = 0
            in_time = [sender.finish(within_s=FINISH_WITHIN_S) for sender in senders]
            if not all(in_time):
                raise StackError(f"A batch was never taken; the agent's log:\n{tail(agent.log)}")
            acknowledged = [event for sender in senders for event in sender.acknowledged]
            _await(taken, acknowledged)
            if agent.end() != 0:
                raise StackError(f"The agent ended badly; its log:\n{tail(agent.log)}")
        finally:
            agent.kill()
    if "Traceback" in agent.log.read_text(errors="replace"):
        raise StackError(f"The agent stumbled; its log:\n{tail(agent.log, 40)}")
    return judge(taken, acknowledged, kills=kills, seed=seed)


def _await(taken: Taken, acknowledged: Sequence[str]) -> None:
    """Wait until all of it is at the server, or the time is over: judging says what is missing."""
    end_s = time.monotonic() + FINISH_WITHIN_S
    while time.monotonic() < end_s:
        with taken.lock:
            there = {event for each in taken.numbered.values() for event in each.values()}
        if there.issuperset(acknowledged):
            return
        time.sleep(0.2)


def main() -> int:
    """Run; return 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m build.crash_agent", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--source", action="store_true", help="the source instead of the binary")
    options = parser.parse_args()
    end_on_signals()
    try:
        if options.source:
            command = python("agent")
        else:
            command = [str(freeze.freeze(freeze.base_python(), again=False).path)]
        with tempfile.TemporaryDirectory(prefix="ml-") as name:
            result = run(command, kills=options.kills, seed=options.seed, home=Path(name))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(result)), flush=True)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())

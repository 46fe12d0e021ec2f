"""Kill the agent under load, then look for losses.

At random moments, while three plugins send and the server fails every fifth time and is away for
some lives of the agent altogether. With --clocks each of its lives has another clock. The keys of
the JSON line are explained at `AgentVerdict`.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from build.lab.traffic import wait_until
from build.package import freeze
from build.stack import agent
from build.stack.errors import StackError
from build.stack.supervisor import Supervisor, python, tail
from tests.fakes.agent_process import program_ahead
from tests.fakes.failing_server import AgentVerdict, Received, judge_agent, run_fake_server
from tests.fakes.plugin_process import FakePlugin

KEY = "mlrd_crash"
PLUGINS = 3
MAX_EVENTS = 50
MAX_PAUSE_S = 0.05
#: The agent lives up to this long after each start: from before it listens to well into its work.
MAX_LIFE_S = 1.5
#: Of the kills, how many may come before it listens; of its lives, in how many no server answers.
EARLY_RATIO = 0.25
AWAY_RATIO = 0.25
FAILING_PERCENT = 20
#: Of --clocks: how far ahead the agent's may be, in seconds.
CLOCKS_AHEAD_S = (0, 660, -3600)
FINISH_WITHIN_S = 120.0
REPORT_EVERY = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--source", action="store_true", help="the source instead of the binary")
    about = "a clock for each life: right, 11 minutes ahead or an hour behind; the source"
    parser.add_argument("--clocks", action="store_true", help=about)


def run(options: argparse.Namespace) -> int:
    with_source = options.source or options.clocks
    frozen = None if with_source else freeze.freeze(freeze.base_python(), again=False)
    command = [str(frozen.path)] if frozen else python("agent")
    verdict = kill_under_load(
        command, kills=options.kills, seed=options.seed, clocks=options.clocks
    )
    print(json.dumps(asdict(verdict)), flush=True)
    return 0 if verdict.is_clean else 1


def plan_batches(seed: str) -> Iterator[tuple[float, int]]:
    chance = random.Random(seed)  # noqa: S311 (reproducible)
    while True:
        yield chance.random() * MAX_PAUSE_S, chance.randint(1, MAX_EVENTS)


def kill_under_load(
    command: Sequence[str], *, kills: int, seed: str, clocks: bool = False
) -> AgentVerdict:
    """Kill an agent under load. Raise StackError when it does not come back."""
    chance = random.Random(seed)  # noqa: S311 (reproducible)
    received = Received(random.Random(f"{seed} server"))  # noqa: S311
    with (
        tempfile.TemporaryDirectory(prefix="ml-") as name,
        run_fake_server(received) as url,
        Supervisor(Path(name)) as supervisor,
    ):
        ahead = Path(name, "ahead")
        ahead.write_text("0")
        command = program_ahead(ahead) if clocks else command
        started = agent.start(
            supervisor, Path(name), server_url=url, api_key=KEY, node="crash", program=command
        )
        running = started.running
        plugins = [
            FakePlugin(started.socket, f"{seed} {number}", plan_batches(f"{seed} {number}"))
            for number in range(PLUGINS)
        ]
        for number in range(1, kills + 1):
            received.failing_percent = 100 if chance.random() < AWAY_RATIO else FAILING_PERCENT
            if chance.random() >= EARLY_RATIO:
                running.wait_until_ready()
            time.sleep(chance.random() * MAX_LIFE_S)
            running.kill()
            if clocks:
                ahead.write_text(str(chance.choice(CLOCKS_AHEAD_S)))
            running.start_again(wait=False)
            if number % REPORT_EVERY == 0:
                print(f"{number} kills", flush=True)
        running.wait_until_ready()
        received.failing_percent = 0
        in_time = [plugin.finish(within_s=FINISH_WITHIN_S) for plugin in plugins]
        if not all(in_time):
            raise StackError(f"A batch was never acknowledged; the log:\n{running.log_tail()}")
        acknowledged = [event for plugin in plugins for event in plugin.acknowledged]
        wait_until(
            lambda: received.copy_event_ids().issuperset(acknowledged), within_s=FINISH_WITHIN_S
        )
        running.stop()
        if running.exit_code != 0:
            raise StackError(f"The agent ended badly; its log:\n{running.log_tail()}")
        if "Traceback" in running.log.read_text(errors="replace"):
            raise StackError(f"The agent logged a traceback; its log:\n{tail(running.log, 40)}")
    return judge_agent(received, acknowledged, kills=kills, seed=seed)

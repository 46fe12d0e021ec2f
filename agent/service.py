"""Runs one agent after another: waits for signals, exchanges the configuration, answers systemd.

Signals are waited for, not handled: nothing is ever interrupted in the middle by one.
"""

import logging
import signal
from collections.abc import Callable

from agent import clock
from agent.config import Config
from agent.errors import AgentError
from agent.lifecycle import Agent
from agent.logs import Repeats
from agent.systemd import Notifier

logger = logging.getLogger(__name__)

# How often the running agent is looked at.
LOOK_S = 5.0
STATUS_EVERY_S = 60.0
# systemd wants to hear of us in its time; we speak this much more often.
WATCHDOG_PARTS = 3

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
RELOAD = frozenset({signal.SIGHUP})


class Signals:
    """What is asked for from outside. To be made before any thread is, by the main thread."""

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP | RELOAD)

    def wait(self, timeout_s: float) -> int | None:
        """Return the next signal, None when none comes in time."""
        found = signal.sigtimedwait(STOP | RELOAD, timeout_s)
        return None if found is None else found.si_signo


def run(
    config: Config,
    *,
    signals: Signals,
    notifier: Notifier,
    reload: Callable[[], Config | None],
) -> None:
    """Run until SIGTERM or SIGINT. `reload`: returns what is configured now, None (and says why)
    when that cannot be used. Raises AgentError when the agent cannot start."""
    agent = Agent(config)
    agent.start()
    notifier.ready(agent.status())
    watch = _Watch(notifier)
    while (number := signals.wait(watch.look_s)) not in STOP:
        agent.tick()
        if number in RELOAD:
            notifier.reloading()
            fresh = reload()
            if fresh is not None:
                agent = _exchanged(agent, fresh)
            notifier.ready(agent.status())
        watch.look(agent)
    notifier.stopping()
    agent.stop()
    logger.info("Agent stopped.")


def _exchanged(agent: Agent, config: Config) -> Agent:
    """Return an agent that runs with `config`, or one as before when it cannot."""
    before = agent.config
    agent.stop(flush=False)
    fresh = Agent(config)
    try:
        fresh.start()
    except AgentError as error:
        logger.error("The new configuration does not work: %s Going on with the old one.", error)
        fresh = Agent(before)
        fresh.start()
    return fresh


class _Watch:
    """Tells systemd that the agent lives, as long as that is so."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        wanted_s = notifier.watchdog_s
        self._every_s = STATUS_EVERY_S if wanted_s is None else wanted_s / WATCHDOG_PARTS
        self.look_s = min(LOOK_S, self._every_s)
        self._due_s = clock.monotonic_s()
        self._repeats = Repeats(logger)

    def look(self, agent: Agent) -> None:
        """Look at the agent when it is time to, and tell."""
        now_s = clock.monotonic_s()
        if not self._notifier or now_s < self._due_s:
            return
        # The next look may be late by one round of waiting.
        self._due_s = now_s + max(0.0, self._every_s - self.look_s)
        if self._notifier.watchdog_s is None:
            self._notifier.status(agent.status())
        elif troubles := agent.troubles():
            shown = "; ".join(troubles)
            self._repeats.warn("trouble", "Not well, so systemd is not told: %s.", shown)
            self._notifier.status(f"Not well: {shown}")
        else:
            self._notifier.alive(agent.status())

"""Main loop of `mallard-agent run`: signals, reload of the configuration, systemd's watchdog.

Signals are waited for, not handled, so that none interrupts anything halfway.
"""

import logging
import signal
from collections.abc import Callable

from agent import clock
from agent.config import Config
from agent.errors import AgentError
from agent.lifecycle import Agent
from agent.logs import RateLimitedLog
from agent.systemd import Notifier

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 5.0
STATUS_INTERVAL_S = 60.0
# The watchdog is notified this many times in each of its periods.
WATCHDOG_PARTS = 3

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
RELOAD = frozenset({signal.SIGHUP})


class Signals:
    """The process's signals, blocked. To be created by the main thread, before any other starts."""

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP | RELOAD)

    def wait(self, timeout_s: float) -> int | None:
        """Return the next signal, None when none comes in time."""
        info = signal.sigtimedwait(STOP | RELOAD, timeout_s)
        return None if info is None else info.si_signo


def run(
    config: Config,
    *,
    signals: Signals,
    notifier: Notifier,
    reload: Callable[[], Config | None],
) -> None:
    """Run until SIGTERM or SIGINT. `reload` returns the present configuration, or logs an error and
    returns None. Raises AgentError when the agent cannot start."""
    agent = Agent(config)
    agent.start()
    notifier.ready(agent.status_line())
    watchdog = _Watchdog(notifier)
    while (number := signals.wait(watchdog.check_interval_s)) not in STOP:
        agent.tick()
        if number in RELOAD:
            notifier.reloading()
            fresh = reload()
            if fresh is not None:
                agent = _replace(agent, fresh)
            notifier.ready(agent.status_line())
        watchdog.check(agent)
    notifier.stopping()
    agent.stop()
    logger.info("Agent stopped.")


def _replace(agent: Agent, config: Config) -> Agent:
    """Return a running agent with `config`, or with the old configuration when it cannot start."""
    agent.stop(flush=False)
    fresh = Agent(config)
    try:
        fresh.start()
    except AgentError as error:
        logger.error("The new configuration does not work, the old one stays: %s", error)
        fresh = Agent(agent.config)
        fresh.start()
    return fresh


class _Watchdog:
    """Notifies systemd for as long as the agent is healthy."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        watchdog_s = notifier.watchdog_s
        self._interval_s = STATUS_INTERVAL_S if watchdog_s is None else watchdog_s / WATCHDOG_PARTS
        self.check_interval_s = min(CHECK_INTERVAL_S, self._interval_s)
        self._due_s = clock.monotonic_s()
        self._warnings = RateLimitedLog(logger)

    def check(self, agent: Agent) -> None:
        now_s = clock.monotonic_s()
        if not self._notifier or now_s < self._due_s:
            return
        # The next check may be late by one wait for signals.
        self._due_s = now_s + max(0.0, self._interval_s - self.check_interval_s)
        if self._notifier.watchdog_s is None:
            self._notifier.status(agent.status_line())
        elif problems := agent.problems():
            shown = "; ".join(problems)
            self._warnings.warn("problem", "Unhealthy, systemd is not notified: %s.", shown)
            self._notifier.status(f"Unhealthy: {shown}")
        else:
            self._notifier.alive(agent.status_line())

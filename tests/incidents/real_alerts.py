"""Alerts of a real installation: nodes whose clocks jump, a receiver, and who was notified of what.

A clock that is wrong fires at once and is critical, so that each change is a flip of its own.
"""

import contextlib
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import psycopg2

from build.lab.installation import Installation
from tests.fakes.receiver import Answer, Receiver, run_receiver

#: The receiver is on loopback.
LOOPBACK_ALLOWED = {"NOTIFICATION_NETWORKS": "127.0.0.0/8"}
CHANNELS = ("ops", "phone")
WRONG_MS = 600_000
POLL_S, SETTLE_S = 0.5, 150.0
#: Longer than the client of the sender waits for a reply.
HANG_S = 11.0
SET_UP = """
from server.alerts.models import Channel, NotificationRoute
from server.alerts.notifications import store
from server.nodes.models import Node
for name in {channels!r}:
    store.save_channel(Channel(kind="webhook"), {{"url": {url!r} + name, "secret": "k"}}, name=name)
NotificationRoute.objects.create(
    name="all", rules=["clock_wrong"], node="clock-*",
    steps=[{{"after_min": 0, "channels": {channels!r}}}])
Node.objects.bulk_create([Node(name=f"clock-{{n:02}}", clock_ahead_ms=0) for n in range({nodes})])
"""
#: Flips of critical clocks of which a channel has no notification, and the other way round.
WITHOUT = """SELECT DISTINCT a.id, t.to_state, c.name
FROM alerts_alerttransition AS t JOIN alerts_alert AS a ON a.id = t.alert_id
CROSS JOIN notification_channels AS c
WHERE a.rule = 'clock_wrong' AND a.node LIKE 'clock-%%' AND t.from_state <> t.to_state
  AND t.to_state IN ('firing', 'ok') AND a.notified_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM notifications AS n JOIN alerts_alerttransition AS f ON f.id = n.transition_id
    WHERE f.alert_id = a.id AND n.channel = c.name
      AND n.kind = CASE t.to_state WHEN 'ok' THEN 'resolved' ELSE 'firing' END)"""
UNDECIDED = """SELECT subject FROM alerts_alert
WHERE rule = 'clock_wrong' AND node LIKE 'clock-%%' AND fired_at IS NOT NULL
  AND notified_at IS NULL AND suppression = ''"""
OPEN = """SELECT count(*) FROM (
  SELECT id FROM alerts_alert
  WHERE rule = 'clock_wrong' AND node LIKE 'clock-%%' AND ended_at IS NULL
  UNION ALL SELECT id FROM notifications WHERE state IN ('waiting', 'sending')) AS x"""
KEYS = "SELECT idempotency_key, state FROM notifications"
#: What a killed sender claimed is free at once: nobody still sends who claimed so long ago.
FREE = (
    "UPDATE notification_channels SET claimed_until = now() - interval '1 s'"
    " WHERE claimed_until < now() + interval '38 s'",
    "UPDATE notifications SET claimed_at = now() - interval '61 s'"
    " WHERE state = 'sending' AND claimed_at < now() - interval '22 s'",
)
SET_CLOCK = "UPDATE nodes_node SET clock_ahead_ms = {} WHERE name = '{}'"
#: A round is due at once, what was tried is due again, and what recovers has recovered.
HURRY = (
    "UPDATE alerts_evaluation SET started_at = least(started_at, now() - interval '15 s')",
    "UPDATE notifications SET next_attempt_at = now() WHERE state = 'waiting'",
    "UPDATE alerts_alert SET since = since - interval '60 s' WHERE state = 'recovering'",
)


class Clocks(threading.Thread):
    """Sets clocks of nodes wrong and right again until `stop`, then right for good.

    `hurries`: rounds and attempts follow each other faster than they would.
    """

    def __init__(self, url: str, nodes: int, *, seed: int, hurries: bool) -> None:
        super().__init__(daemon=True)
        self._url, self._nodes, self._hurries = url, nodes, hurries
        self._rng = random.Random(seed)
        self.stop = threading.Event()
        #: Node → when its clock was set wrong, each time.
        self.wrong_at: defaultdict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        wrong: set[str] = set()
        while not self.stop.wait(POLL_S):
            name = f"clock-{self._rng.randrange(self._nodes):02}"
            ahead_ms = 0 if name in wrong else WRONG_MS
            with contextlib.suppress(psycopg2.Error):  # PostgreSQL was killed: the next time
                self.execute(SET_CLOCK.format(ahead_ms, name), *(HURRY if self._hurries else ()))
                wrong ^= {name}
                if ahead_ms:
                    self.wrong_at[name].append(time.time())

    def execute(self, *statements: str) -> None:
        closing = contextlib.closing(psycopg2.connect(self._url, connect_timeout=5))
        with closing as connection, connection, connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)


@contextlib.contextmanager
def watch_alerts(
    installation: Installation, *, nodes: int = 20, seed: int = 1, fails: bool, hurries: bool
) -> Iterator[tuple[Receiver, Clocks]]:
    """Let clocks jump while the block runs, and settle afterwards: everything is sent by then.

    `fails`: the receiving end answers 500, hangs, closes or redirects now and then.
    """
    with run_receiver() as receiver:
        values = {"url": f"http://127.0.0.1:{receiver.port}/", "nodes": nodes, "channels": CHANNELS}
        installation.site.manage("shell", "--no-imports", "-c", SET_UP.format(**values))
        chance = random.Random(seed)
        if fails:
            receiver.choose = lambda: _choose_answer(receiver, chance)
        clocks = Clocks(installation.postgres.url, nodes, seed=seed, hurries=hurries)
        clocks.start()
        try:
            yield receiver, clocks
        finally:
            clocks.stop.set()
            clocks.join()
            receiver.choose = lambda: 200
            _settle(installation, clocks, hurries=hurries)


def judge_alerts(installation: Installation, receiver: Receiver) -> dict[str, int]:
    """Return what went wrong, counted; all 0 where nothing did."""
    by_news: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    order: dict[tuple[str, str], list[str]] = defaultdict(list)
    taken: set[str] = set()
    for each in receiver.received:
        if each.path.strip("/") not in CHANNELS:
            continue
        body = json.loads(each.body)
        by_news[body["alert"], body["kind"], each.path].add(each.headers["idempotency-key"])
        if each.answer == 200:
            taken.add(body["key"])
            order[body["alert"], each.path].append(body["kind"])
    keys = dict(installation.query(KEYS))
    return {
        "notifications": len(keys),
        "without_notification": len(installation.query(WITHOUT))
        + len(installation.query(UNDECIDED)),
        "unsent": sum(state != "sent" for state in keys.values()) + len(keys.keys() - taken),
        "invented": len(taken - keys.keys()),
        "other_key": sum(len(each) > 1 for each in by_news.values()),
        "out_of_order": sum(kinds[0] != "firing" for kinds in order.values()),
        "redirected": sum(each.path.strip("/") == "elsewhere" for each in receiver.received),
    }


def is_bad(figures: dict[str, int]) -> bool:
    """Return whether anything went wrong, or nothing was notified at all."""
    wrong = sum(count for name, count in figures.items() if name != "notifications")
    return bool(wrong) or not figures["notifications"]


def list_delays(receiver: Receiver, clocks: Clocks) -> list[float]:
    """Return the seconds from each wrong clock to its first notification."""
    delays = []
    for each in receiver.received:
        body = json.loads(each.body)
        before = [at for at in clocks.wrong_at[body["node"]] if at <= each.at]
        if body["kind"] == "firing" and before and each.path == f"/{CHANNELS[0]}":
            delays.append(each.at - before[-1])
    return delays


def _settle(installation: Installation, clocks: Clocks, *, hurries: bool) -> None:
    """Set all clocks right and wait until everything has ended and is sent."""
    deadline = time.monotonic() + SETTLE_S
    right = "UPDATE nodes_node SET clock_ahead_ms = 0 WHERE name LIKE 'clock-%'"
    while time.monotonic() < deadline:
        clocks.execute(right, *(HURRY + FREE if hurries else ()))
        if installation.query(OPEN) == [(0,)]:
            return
        time.sleep(POLL_S)


def _choose_answer(receiver: Receiver, chance: random.Random) -> Answer:
    dice = chance.random()
    if dice < 0.15:
        return 500
    if dice < 0.25:
        return lambda handler: handler.connection.close()
    if dice < 0.35:
        return 302, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}, b""
    if dice < 0.38:
        return lambda _: time.sleep(HANG_S)
    return 200

"""Attempts of each minute of a history: usual mail, usual refusals, retries, troubles. Pure."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from server.alerts.blocks.attempts import EXCLUDED, Attempts, Reply
from tests.incidents.incidents import LATER, SLOWER, SPAM, Trouble
from tests.incidents.world import MINUTES_A_DAY, PROVIDERS, World

#: Usual refusals, each as often as it comes.
POLICY = Reply("90110c0000000009", "policy", is_permanent=True)
UNSIGNED = Reply("a07400000000000a", "authentication", is_permanent=True)
USUAL = [*[SPAM] * 4, *[POLICY] * 2, *[LATER] * 2, SLOWER, UNSIGNED]
#: Minutes until a message is tried again, and again.
RETRIES = (5, 12, 30, 60, 120)
#: Once in ten days the server of a cluster is away, and a backlog of retries follows.
OUTAGE_EVERY, OUTAGE_MINUTES = 10 * MINUTES_A_DAY, 40
#: Once in three days a newsletter goes out: messages of one sender in so many minutes.
NEWSLETTER_EVERY, NEWSLETTER_MINUTES, NEWSLETTER_MESSAGES = 3 * MINUTES_A_DAY, 30, 20_000

Retry = tuple[Attempts, int]


class History:
    """`minutes` yields the attempts of each minute, the troubles' own counts are kept in them."""

    def __init__(self, world: World, troubles: Sequence[Trouble], chance: random.Random) -> None:
        self._world, self._troubles, self._chance = world, troubles, chance
        self._retries: defaultdict[int, list[Retry]] = defaultdict(list)
        self._max_share = max(share for _, share in PROVIDERS.values()) / 100
        self._newsletter: list[int] = []

    def minutes(self, count: int) -> Iterator[tuple[int, list[Attempts]]]:
        starts = sorted(self._troubles, key=lambda trouble: -trouble.start)
        active: list[Trouble] = []
        for minute in range(count):
            if minute % MINUTES_A_DAY == 0 and minute:
                self._world.throw(self._chance)
            while starts and starts[-1].start <= minute:
                active.append(starts.pop())
            active = [trouble for trouble in active if trouble.end > minute]
            yield minute, self._minute(minute, active)

    def _minute(self, minute: int, active: Sequence[Trouble]) -> list[Attempts]:
        if minute > OUTAGE_MINUTES and minute % OUTAGE_EVERY < OUTAGE_MINUTES:
            return []
        world, chance = self._world, self._chance
        counts = Counter(world.pick_flows(minute, chance))
        counts.update(self._pick_newsletter(minute))
        for number in [n for n in counts if n >= world.first_new_flow]:
            if minute < world.begins_at(world.flows[number].ip):
                del counts[number]
        refused: defaultdict[int, list[Reply]] = defaultdict(list)
        self._refuse_as_usual(counts, refused)
        if active:
            self._refuse_in_trouble(minute, counts, refused, active)
        flows = world.flows
        rows = [
            flows[number] if count == 1 else flows[number]._replace(taken=count)
            for number, count in counts.items() if count and number not in refused
        ]  # fmt: skip
        for number, replies in refused.items():
            rows += self._merge(minute, flows[number], counts[number], replies)
        return [*rows, *self._try_again(minute, active)]

    def _pick_newsletter(self, minute: int) -> list[int]:
        if minute % NEWSLETTER_EVERY >= NEWSLETTER_MINUTES:
            self._newsletter = []
            return []
        if not self._newsletter:
            sender = self._world.flows[self._chance.choice(self._world.draws)].sender
            its = [n for n, flow in enumerate(self._world.flows) if flow.sender == sender]
            self._newsletter = its
        return self._chance.choices(self._newsletter, k=NEWSLETTER_MESSAGES // NEWSLETTER_MINUTES)

    def _refuse_as_usual(
        self, counts: "Counter[int]", refused: defaultdict[int, list[Reply]]
    ) -> None:
        chance, numbers = self._chance, list(counts)
        total = counts.total()
        mean = total * self._max_share
        for _ in range(max(0, round(chance.gauss(mean, mean**0.5)))):
            number = chance.choice(numbers)
            share = PROVIDERS[self._world.flows[number].provider][1] / 100
            if chance.random() * self._max_share < share and counts[number]:
                counts[number] -= 1
                refused[number].append(chance.choice(USUAL))

    def _refuse_in_trouble(
        self, minute: int, counts: "Counter[int]", refused: defaultdict[int, list[Reply]],
        active: Sequence[Trouble],
    ) -> None:  # fmt: skip
        chance, flows = self._chance, self._world.flows
        for number in list(counts):
            row = flows[number]
            for trouble in active:
                if trouble.hits(row):
                    count = counts[number]
                    trouble.attempts += count + len(refused.get(number, ()))
                    share = trouble.share(minute)
                    lost = sum(chance.random() < share for _ in range(count))
                    if lost:
                        counts[number] -= lost
                        refused[number] += [trouble.reply(minute)] * lost

    def _merge(
        self, minute: int, flow: Attempts, taken: int, replies: Sequence[Reply]
    ) -> Iterator[Attempts]:
        for reply in replies:
            if not reply.is_permanent:
                self._retries[minute + RETRIES[0]].append((flow, 0))
        kept = Counter(reply for reply in replies if reply.bounce_class not in EXCLUDED)
        if taken or kept:
            counted = tuple(reply._replace(messages=n) for reply, n in kept.items())
            at = minute * 60.0 + self._chance.uniform(0, 60)
            yield flow._replace(taken=taken, replies=counted, refused_at=at if kept else 0.0)

    def _try_again(self, minute: int, active: Sequence[Trouble]) -> Iterator[Attempts]:
        for flow, turn in self._retries.pop(minute, ()):
            # Greylisting takes the next attempt, whatever it says.
            hit = next((t for t in active if t.truth and t.hits(flow)), None)
            if hit and self._chance.random() < hit.share(minute):
                yield flow._replace(taken=0, refused_later=1)
                if not hit.reply(minute).is_permanent and turn + 1 < len(RETRIES):
                    self._retries[minute + RETRIES[turn + 1]].append((flow, turn + 1))
            else:
                yield flow._replace(taken=0, taken_later=1)

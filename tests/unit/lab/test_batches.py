"""Numbered batches: reproducible, and complete but for what is declared dropped."""

import itertools
import json
import random
from datetime import timedelta

from tests.batches import plan_batches


def plan(seed, batches=200):
    return list(itertools.islice(plan_batches(2, random.Random(seed)), batches))


def test_the_same_seed_makes_the_same_batches():
    def shape(seed):
        return [(b.epoch, b.first_seq, b.count, b.refused, b.dropped) for b in plan(seed)]

    assert shape(1) == shape(1)
    assert shape(1) != shape(2)


def test_the_numbers_of_an_epoch_are_complete_but_for_what_is_declared_dropped():
    batches = [batch for batch in plan(1) if batch.epoch == 0]
    numbers = {number for batch in batches for number in batch.numbers}
    dropped = {n for b in batches for first, last in b.dropped for n in range(first, last + 1)}

    assert dropped
    assert not numbers & dropped
    assert numbers | dropped == set(range(1, max(numbers) + 1))


def test_a_batch_is_the_same_whenever_it_is_sent_and_has_the_same_ids_from_another_source():
    batch = next(batch for batch in plan(1) if batch.refused)
    inferred = json.loads(batch.build_inferred_body(later=timedelta(seconds=2)))
    events = json.loads(batch.build_body())["events"]

    assert batch.build_body() == batch.build_body()
    assert [event["event_id"] for event in inferred] == [event["event_id"] for event in events]
    assert all(a["occurred_at"] < b["occurred_at"] for a, b in zip(events, inferred, strict=True))
    assert len(batch.valid_ids) == batch.count - 1

"""Collectors at their intervals, whatever else is slow or broken."""

import threading

from agent.collector_thread import CollectorThread
from agent.collectors import Collector
from agent.errors import CollectError, SourceAbsent, SpoolError
from tests.waiting import until


class Fake:
    """A collector with the given work."""

    def __init__(self, name, work):
        self.name = name
        self.collect = work
        self.close = lambda: None


def test_an_absent_source_is_no_failure_and_is_collected_when_it_appears(caplog):
    answers = [SourceAbsent("not listening"), SourceAbsent("not listening"), None]

    def collect():
        answer = answers.pop(0)
        if answer:
            raise answer
        return b"{}"

    taken: list[bytes] = []
    source = CollectorThread(Fake("zonemta", collect), taken.append, interval_s=1)
    with caplog.at_level("INFO"):
        for _ in range(3):
            source.run_once()

    assert (source.health().failures_total, source.health().is_on, taken) == (0, True, [b"{}"])
    assert caplog.text.count("while it is absent") == 1
    assert "is present and collected" in caplog.text


def test_a_slow_collector_delays_only_itself(in_thread):
    gate = threading.Event()
    quick: list[bytes] = []
    in_thread(
        CollectorThread(
            Fake("slow", lambda: b"%d" % gate.wait(30)), lambda _: None, interval_s=0.05
        )
    )

    in_thread(CollectorThread(Fake("quick", lambda: b"{}"), quick.append, interval_s=0.05))

    until(lambda: len(quick) >= 5)
    gate.set()


def test_runs_that_were_due_while_one_was_going_are_counted_not_caught_up(in_thread):
    gate = threading.Event()
    runs: list[bytes] = []
    source = CollectorThread(
        Fake("slow", lambda: b"%d" % gate.wait(0.3)), runs.append, interval_s=0.1
    )

    in_thread(source)
    until(lambda: source.health().missed_total >= 4)
    gate.set()

    assert len(runs) <= source.health().missed_total


def test_a_failing_collector_is_counted_and_tried_again(in_thread, caplog):
    def fail():
        raise CollectError("no such counter")

    source = CollectorThread(Fake("broken", fail), print, interval_s=0.02)
    in_thread(source)

    until(lambda: source.health().failures_total >= 3)

    assert caplog.text.count("no such counter") == 1


def test_a_spool_that_cannot_write_does_not_end_the_thread(in_thread):
    def full(_):
        raise SpoolError("disk full")

    source = CollectorThread(Fake("fine", lambda: b"{}"), full, interval_s=0.02)
    in_thread(source)

    until(lambda: source.health().failures_total >= 3)


def test_lines_that_a_collector_could_not_read_are_counted_in_its_health(caplog):
    class Damaged(Collector):
        name = "zonemta"

        def collect(self):
            self._note_unreadable(["a 1,5", "b x"])
            return b"{}"

    source = CollectorThread(Damaged(), lambda body: None, interval_s=1)
    source.run_once()
    source.run_once()

    assert source.health().unreadable_total == 4
    assert caplog.text.count("2 lines of the metrics of zonemta cannot be read") == 1
    assert "a 1,5" in caplog.text

"""The pump's tasks outlive every failure."""

import asyncio

from server.live import pump
from server.observability.beats import Task


async def _run_twice(monkeypatch, error, task):
    monkeypatch.setattr(pump, "RETRY_S", 0.0)
    runs = []
    second = asyncio.Event()

    async def work():
        runs.append(1)
        if len(runs) == 1:
            raise error
        second.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(pump.Pump()._forever(work, task))
    await asyncio.wait_for(second.wait(), 60)
    running.cancel()


def test_a_task_that_raises_anything_is_logged_with_its_traceback_and_restarted(
    monkeypatch, caplog
):
    asyncio.run(_run_twice(monkeypatch, ValueError("year 9999"), Task("live-broadcast", 1.0)))

    assert "year 9999" in caplog.text
    assert "Traceback" in caplog.text


def test_what_a_task_raises_is_counted_and_named_until_its_work_is_done(monkeypatch):
    task = Task("live-broadcast", 1.0)

    asyncio.run(_run_twice(monkeypatch, ValueError("year 9999"), task))

    assert (task.failures, task.error) == (1, "ValueError: year 9999")
    task.done()
    assert (task.failures, task.error) == (1, "")

"""The pump's tasks outlive every failure."""

import asyncio

from server.live import pump


async def _run_twice(monkeypatch, error):
    monkeypatch.setattr(pump, "RETRY_S", 0.0)
    runs = []
    second = asyncio.Event()

    async def work():
        runs.append(1)
        if len(runs) == 1:
            raise error
        second.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(pump.Pump()._forever(work))
    await asyncio.wait_for(second.wait(), 60)
    task.cancel()


def test_a_task_that_raises_anything_is_logged_with_its_traceback_and_restarted(
    monkeypatch, caplog
):
    asyncio.run(_run_twice(monkeypatch, ValueError("year 9999")))

    assert "year 9999" in caplog.text
    assert "Traceback" in caplog.text

"""Starts that samples report, without a database."""

import json
from datetime import UTC, datetime

import msgspec

from server.metrics.starts import find_starts
from server.metrics.wire import SAMPLES


def sample(golden, kind, **readings):
    payload = golden(f"metrics_{kind}.json") | {"timestamp": "2026-11-21T12:00:00Z"}
    payload[kind] |= readings
    return msgspec.json.decode(json.dumps(payload), type=SAMPLES[kind])


def test_the_host_started_as_long_ago_as_it_is_up_and_programs_say_themselves_when(golden):
    system = sample(golden, "system", uptime_seconds=3_600)
    processes = {
        program: process.started_at
        for program, process in system.processes.items()
        if process.started_at
    }

    assert find_starts([system, system]) == {
        ("mta-01", "host", datetime(2026, 11, 21, 11, tzinfo=UTC)),
        *(("mta-01", program, at) for program, at in processes.items()),
    }


def test_the_agent_tells_how_long_it_runs_and_other_programs_do_not_count_twice(golden):
    agent = sample(golden, "agent", uptime_s=60)

    assert find_starts([agent, sample(golden, "redis")]) == {
        ("mta-01", "agent", datetime(2026, 11, 21, 11, 59, tzinfo=UTC))
    }


def test_an_uptime_beyond_all_time_is_no_start_of_long_ago(golden):
    system = sample(golden, "system", uptime_seconds=2**53)

    ((_, _, at),) = [each for each in find_starts([system]) if each[1] == "host"]
    assert at == datetime(2026, 11, 21, 12, tzinfo=UTC)

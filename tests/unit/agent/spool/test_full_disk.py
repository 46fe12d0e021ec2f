"""A file system that is full to the last block: a real one, small, of its own."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from tests.paths import ROOT

PROGRAM = textwrap.dedent(
    """
    import json, sys
    from pathlib import Path
    from agent.config import Events, Spool as Settings
    from agent.errors import SpoolError
    from agent.spool import Accepted, Spool, read_summary
    from tests.agent_fixtures import make_event, read_events, take_reported

    directory = Path(sys.argv[1])
    ballast = directory / "ballast"
    spool = Spool(directory, Settings(min_free_bytes=0), Events())
    spool.open()
    ballast.write_bytes(bytes(4 * 1024**2))
    acknowledged, refusals, number = [], 0, 0

    def take(count):
        global number, refusals
        for _ in range(count):
            number += 1
            event = make_event(number).event
            body = json.dumps({"n": number, "padding": "x" * 1000}).encode()
            try:
                take_reported(spool, [Accepted(event, body)])
                acknowledged.append(number)
            except SpoolError:
                refusals += 1

    while refusals < 20:
        take(1)
    stored_when_full = [event["n"] for event in read_events(spool)]

    # The server is there: what waits goes, full disk or not.
    first = spool.events.peek(max_count=100, max_bytes=10**6)
    try:
        spool.events.ack(first)
        deleted = True
    except SpoolError:
        deleted = False
    second = spool.events.peek(max_count=1, max_bytes=10**6)
    sent = [json.loads(body)["n"] for body in first.bodies]

    ballast.unlink()
    take(50)
    left = [event["n"] for event in read_events(spool)]
    spool.close()
    spool = Spool(directory, Settings(min_free_bytes=0), Events())
    spool.open()
    print(json.dumps({
        "acknowledged": acknowledged,
        "refusals": refusals,
        "stored_when_full": stored_when_full,
        "went_on": second.first_seq == first.last_seq + 1,
        "sent": sent,
        "left": left,
        "left_after_restart": [event["n"] for event in read_events(spool)],
        "deleted": deleted,
        "failed_commits": read_summary(directory)["failed_commits_count"],
    }))
    """
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    mount = f'mount -t tmpfs -o size=8m tmpfs "{folder}" && exec "$@"'
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = ["unshare", *own_user, "--mount", "sh", "-c", mount, "small"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no mount of one's own")
    done = subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_all_acknowledged_events_are_there(result):
    assert result["refusals"] >= 20
    assert len(result["acknowledged"]) > 150
    assert result["stored_when_full"] == [
        number for number in result["acknowledged"] if number <= result["stored_when_full"][-1]
    ]


def test_waiting_events_are_still_sent_in_order(result):
    assert result["went_on"]
    assert result["sent"] == result["acknowledged"][:100]


def test_with_free_space_again_it_goes_on_and_nothing_is_missing(result):
    assert result["left"] == result["acknowledged"][100:]
    assert result["left_after_restart"][-50:] == result["acknowledged"][-50:]
    assert set(result["left"]) <= set(result["left_after_restart"])


def test_events_that_could_not_be_written_are_counted(result):
    assert result["failed_commits"] >= 20

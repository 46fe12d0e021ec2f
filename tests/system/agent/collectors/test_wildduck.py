"""WildDuck's collector against its recorded answers and a real one."""

import contextlib
import gzip
import json
import random
import sys
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pymongo
import pytest

from agent.collectors import wildduck_rotation, wildduck_users
from agent.collectors.wildduck import WildDuckCollector
from agent.config import Config, Discovery, Secret
from agent.errors import SourceAbsent
from agent.wire import samples_body
from build.stack import mongodb as mongodb_stack
from build.stack import redis as redis_stack
from build.stack import wildduck as stack
from build.stack.supervisor import Supervisor
from tests.fakes.local_server import Site
from tests.recorded import WILDDUCK_METRICS, WILDDUCK_REFUSAL
from tests.waiting import until

NOBODY = "http://127.0.0.1:1"
HEALTHY = '{"success":true,"version":"1.51.1"}'


def user(n, *, used=0, allowed=1000):
    return {"username": f"user{n}", "quota": {"allowed": allowed, "used": used}, "disabled": n == 0}


@pytest.fixture
def api():
    """The API with as many users as a test puts into `users`."""
    with Site() as site:
        site.users = [user(n, used=10 * n) for n in range(5)]
        site.most = 2  # of a page

        def pages(path):
            query = parse_qs(urlsplit(path).query)
            start = int(query.get("next", ["0"])[0])
            end = start + min(int(query["limit"][0]), site.most)
            page = {"success": True, "total": len(site.users), "results": site.users[start:end]}
            page["nextCursor"] = str(end) if end < len(site.users) else False
            return 200, json.dumps(page)

        site.answers |= {
            "/health": (200, HEALTHY),
            "/users": pages,
            "/metrics": (200, WILDDUCK_METRICS),
        }
        yield site


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state directory of the test's own."""
    monkeypatch.setattr(sys.modules[__name__], "STATE", [str(tmp_path)])


STATE = []


def make(api=NOBODY, metrics=NOBODY, **more):
    discovery = Discovery(wildduck_api_url=api, wildduck_metrics_url=metrics, **more)
    return WildDuckCollector(Config(node_id="mbx-01", discovery=discovery, state_dir=STATE[0]))


def collect(*args, **more):
    with closing(make(*args, **more)) as collector:
        return json.loads(collector.collect())


def test_a_sample_has_exactly_the_published_names(api, golden):
    contract = golden("metrics_wildduck.json")

    sample = collect(api.url, api.url)

    readings = sample["wildduck"]
    assert sample.keys() == contract.keys()
    assert readings.keys() == contract["wildduck"].keys()
    assert readings["quotas"][0].keys() == contract["wildduck"]["quotas"][0].keys()
    assert (readings["source"], readings["users_count"], readings["users_disabled_count"]) == (
        "api",
        5,
        1,
    )
    assert (readings["storage_used_bytes"], readings["quota_bytes"]) == (100, 5000)
    assert readings["quotas"][0] == {"username": "user4", "used_bytes": 40, "allowed_bytes": 1000}
    assert (readings["is_healthy"], readings["auth_failure_total"]) == (True, 1)
    assert readings["messages_count"] is None
    rotation = readings["quota_rotation"]
    assert rotation.keys() == contract["wildduck"]["quota_rotation"].keys()
    assert rotation["quotas"][0].keys() == readings["quotas"][0].keys()


def test_the_token_is_sent_where_there_is_one(api):
    collect(api.url, wildduck_token=Secret("secret"))

    assert {headers["X-Access-Token"] for _, headers in api.requests} == {"secret"}


def test_a_missing_token_is_logged_once_and_leaves_the_metrics(api, caplog):
    api.answers |= {"/health": (403, WILDDUCK_REFUSAL), "/users": (403, WILDDUCK_REFUSAL)}
    with closing(make(api.url, api.url)) as collector:
        collector.collect()
        readings = json.loads(collector.collect())["wildduck"]

    assert (readings["is_healthy"], readings["users_count"], readings["source"]) == (
        None,
        None,
        None,
    )
    assert readings["auth_success_total"] == 1
    assert caplog.text.count("wildduck_token") == 1


def test_no_wildduck_at_all_is_no_failure():
    with pytest.raises(SourceAbsent, match="WildDuck does not listen"):
        collect()


def test_another_program_on_the_port_is_no_wildduck(api):
    api.answers |= {"/health": (200, "<html>"), "/metrics": (200, "node_cpu 5")}

    with pytest.raises(SourceAbsent):
        collect(api.url, api.url)


def test_a_wildduck_that_was_there_and_is_gone_is_an_outage(api):
    with closing(make(api.url)) as collector:
        collector.collect()
        api.answers["/health"] = (500, '{"success":false,"message":"DB: not connected"}')
        ill = json.loads(collector.collect())["wildduck"]
        api.shutdown()
        api.server_close()
        collector.close()
        gone = json.loads(collector.collect())["wildduck"]

    assert ill["is_healthy"] is False
    assert gone["is_healthy"] is False


def test_many_users_are_counted_over_several_runs(api, monkeypatch):
    monkeypatch.setattr(wildduck_users, "MAX_PAGES", 2)
    with closing(make(api.url)) as collector:
        readings = [json.loads(collector.collect())["wildduck"] for _ in range(3)]

    # Five users in pages of two: the second run comes to the end, the third begins anew.
    assert [its["users_count"] for its in readings] == [5, 5, 5]
    assert [its["storage_used_bytes"] for its in readings] == [None, 100, 100]
    assert readings[1]["counted_at"] == readings[2]["counted_at"]
    assert len([path for path, _ in api.requests if "limit=250" in path]) == 5


def test_a_slow_page_ends_the_run(api, monkeypatch):
    monkeypatch.setattr(wildduck_users, "SLOW_PAGE_S", -1.0)
    with closing(make(api.url)) as collector:
        collector.collect()

    assert len([path for path, _ in api.requests if "limit=250" in path]) == 1


def test_a_cursor_that_leads_nowhere_is_not_followed_for_ever(api):
    page = {"success": True, "total": 9, "results": [user(1)], "nextCursor": "x"}
    api.answers["/users"] = (200, json.dumps(page))
    with closing(make(api.url)) as collector:
        collector.collect()

    assert len([path for path, _ in api.requests if "limit=250" in path]) == 2


def test_users_that_cannot_be_read_leave_the_rest(api, caplog):
    api.answers["/users"] = (500, "{}")
    with closing(make(api.url, api.url)) as collector:
        collector.collect()
        readings = json.loads(collector.collect())["wildduck"]

    assert (readings["is_healthy"], readings["users_count"]) == (True, None)
    assert caplog.text.count("users cannot be read") == 1
    assert "is healthy again" not in caplog.text


def test_an_answer_without_end_to_its_depth_leaves_the_rest(api):
    with closing(make(api.url, api.url)) as collector:
        collector.collect()
        api.answers |= dict.fromkeys(("/health", "/users"), (200, "[" * 100_000))
        readings = json.loads(collector.collect())["wildduck"]

    assert readings["is_healthy"] is False
    assert readings["auth_success_total"] == 1


def test_a_user_without_any_limit_makes_the_sum_of_limits_unknown(api):
    api.users.append(user(9, used=5, allowed=0))

    assert collect(api.url)["wildduck"]["quota_bytes"] is None


# The rotation


def collect_rotation(collector):
    readings = json.loads(collector.collect())["wildduck"]["quota_rotation"]
    return [its["username"] for its in readings["quotas"]], readings


def test_all_users_quotas_are_reported_in_turn_with_the_age_of_the_round(api):
    with closing(make(api.url)) as collector:
        pages = [collect_rotation(collector) for _ in range(4)]

    assert [names for names, _ in pages] == [
        ["user0", "user1"],
        ["user2", "user3"],
        ["user4"],
        ["user0", "user1"],
    ]
    began = [readings["round_began_at"] for _, readings in pages]
    ended = [readings["round_ended_at"] for _, readings in pages]
    assert began[0] == began[1] == began[2] < began[3]
    assert (ended[0], ended[1], ended[2]) == (None, None, began[3])


def test_a_restart_goes_on_where_the_last_sample_but_one_ended(api):
    with closing(make(api.url)) as collector:
        collect_rotation(collector)
        _, last = collect_rotation(collector)

    with closing(make(api.url)) as collector:
        names, readings = collect_rotation(collector)

    # The last page may not have been sent: it is read again.
    assert names == ["user2", "user3"]
    assert readings["round_began_at"] == last["round_began_at"]


def test_a_place_that_has_become_worthless_begins_the_round_anew(api):
    pages = api.answers["/users"]
    api.answers["/users"] = lambda path: (404, "{}") if "limit=25&next" in path else pages(path)
    with closing(make(api.url)) as collector:
        collect_rotation(collector)
        assert json.loads(collector.collect())["wildduck"]["quota_rotation"] is None
        names, _ = collect_rotation(collector)

    assert names == ["user0", "user1"]


def test_one_look_writes_nothing(api, tmp_path):
    collect(api.url)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [b"", b"[]", b'{"source":"api"}', b"\xff"])
def test_what_is_kept_of_a_round_and_cannot_be_read_begins_it_anew(api, tmp_path, kept):
    (tmp_path / wildduck_rotation.FILE_NAME).write_bytes(kept)

    with closing(make(api.url)) as collector:
        assert collect_rotation(collector)[0] == ["user0", "user1"]


def test_a_sample_of_a_large_wildduck_stays_within_its_budget(api):
    chance = random.Random(1)
    names = [
        f"{chance.choice(FIRST)}.{chance.choice(LAST)}{n}@{chance.choice(LAST)}.example"
        for n in range(500)
    ]
    api.most = 250
    api.users = [
        user(n, used=chance.randrange(10**10), allowed=10**10) | {"username": name}
        for n, name in enumerate(names)
    ]
    with closing(make(api.url, api.url)) as collector:
        body = collector.collect()

    readings = json.loads(body)["wildduck"]
    assert (len(readings["quotas"]), len(readings["quota_rotation"]["quotas"])) == (30, 25)
    assert len(gzip.compress(samples_body([body]), 3)) <= 2000


FIRST = ["andrea", "bernd", "carla", "dmitri", "eva", "farid", "gunnar", "hana", "igor", "jana"]
LAST = ["novak", "okafor", "petersen", "quist", "rossi", "silva", "tamm", "ueda", "vogel", "weiss"]


@pytest.mark.stack
def test_a_real_wildduck_is_read_over_its_api_and_in_its_database(tmp_path):
    with Supervisor(tmp_path) as supervisor, contextlib.ExitStack() as closing_after:
        mongodb = mongodb_stack.start(supervisor, tmp_path)
        redis = redis_stack.start(supervisor, tmp_path)
        uri = mongodb.uri_of(stack.DATABASE)
        wildduck = stack.start(supervisor, tmp_path, mongo_uri=uri, redis_port=redis.port)
        client = closing_after.enter_context(pymongo.MongoClient(mongodb.uri))
        token = Secret(wildduck.token)
        for n in range(4):
            account = {"username": f"user{n}", "password": "secret-pw", "quota": n * 1_000_000}
            assert wildduck.post("/users", account | {"address": f"user{n}@local.example"})
        users = client[stack.DATABASE]["users"]
        until(lambda: users.count_documents({}) == 4)
        users.update_one({"username": "user1"}, {"$set": {"storageUsed": 950_000}})
        wildduck.post("/authenticate", {"username": "user1", "password": "wrong"})

        over_api = collect(wildduck.api_url, wildduck.metrics_url, wildduck_token=token)
        in_database = collect(
            wildduck.api_url,
            wildduck.metrics_url,
            wildduck_token=token,
            wildduck_mongodb_uri=Secret(uri),
        )

    default = 2**30  # of the user without a quota of their own
    for source, sample in (("api", over_api), ("mongodb", in_database)):
        readings = sample["wildduck"]
        assert (readings["source"], readings["is_healthy"], readings["version"]) == (
            source,
            True,
            "1.51.1",
        )
        assert (readings["users_count"], readings["storage_used_bytes"]) == (4, 950_000)
        assert readings["quota_bytes"] == 6_000_000 + default
        assert readings["users_over_quota_90_percent_count"] == 1
        assert readings["quotas"][0]["username"] == "user1"
        turned = readings["quota_rotation"]["quotas"]
        assert {"username": "user1", "used_bytes": 950_000, "allowed_bytes": 1_000_000} in turned
        assert [its["allowed_bytes"] for its in turned] == [default, 10**6, 2 * 10**6, 3 * 10**6]
        assert readings["auth_failure_total"] == 1
        assert {"service": "imap", "is_up": True} in readings["services"]
    assert over_api["wildduck"]["messages_count"] is None
    assert in_database["wildduck"]["messages_count"] == 0
    assert in_database["wildduck"]["database_bytes"] > 0

"""PostgreSQL or Redis away: 503 in words for people and programs, no traceback."""

import pytest
import redis
from django.db import OperationalError, connection

from server.nodes.models import ApiKey
from server.observability import backlog

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]
SECRET = "password=hunter2 at 10.0.0.5"


@pytest.fixture
def database_away(monkeypatch):
    """Let every query fail from when it is called."""

    def go():
        def refuse(*_):
            raise OperationalError(SECRET)

        connection.close()
        monkeypatch.setattr(connection, "connect", refuse)

    return go


@pytest.mark.parametrize(
    "path", ["/api/v1/nodes", "/api/v1/completeness", "/api/v1/email/stats", "/metrics",
             "/overview/facts"],
)  # fmt: skip
def test_a_program_gets_503_with_json_that_names_the_part(admin_client, database_away, path):
    database_away()

    reply = admin_client.get(path, headers={"accept": "application/json"})

    assert (reply.status_code, reply["content-type"]) == (503, "application/json")
    assert reply.json() == {"detail": "The database does not answer. Try again later."}
    assert int(reply["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/metrics"])
def test_a_key_that_cannot_be_looked_up_gets_503_with_json(client, database_away, path):
    _, key = ApiKey.issue(name="prometheus", scope=ApiKey.Scope.READ)
    database_away()

    reply = client.get(path, headers={"authorization": f"Bearer {key}"})

    assert (reply.status_code, reply.json()["detail"]) == (
        503,
        "The database does not answer. Try again later.",
    )


@pytest.mark.parametrize("path", ["/", "/email/outbound/", "/nodes/", "/events/", "/admin/"])
def test_a_person_gets_a_page_that_names_the_part_and_what_to_do(
    admin_client, database_away, path, caplog
):
    database_away()

    reply = admin_client.get(path)
    html = reply.content.decode()

    assert reply.status_code == 503
    assert "The database does not answer." in html
    assert "no data is lost" in html
    assert "systemctl status postgresql" in html
    assert "hunter2" not in html
    assert "Traceback" not in caplog.text


def test_a_stranger_can_still_open_the_login_and_learns_why_it_fails(client, database_away):
    database_away()

    assert client.get("/login/").status_code == 200
    reply = client.post("/login/", {"username": "admin", "password": "x"})
    assert reply.status_code == 503
    assert "The database does not answer." in reply.content.decode()


def test_without_redis_pages_and_the_api_answer_and_say_so(admin_client, monkeypatch):
    def refuse():
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(backlog, "_readers", [refuse])

    page = admin_client.get("/").content.decode()
    answer = admin_client.get("/api/v1/completeness")

    assert "Redis does not answer this server: nothing is accepted" in page
    assert (answer.status_code, answer.json()["complete"]) == (200, None)

"""Permissions of each role in pages, API, admin and sockets."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.testing import ApplicationCommunicator
from axes.models import AccessAttempt
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from django.utils import timezone

from server.accounts import roles
from server.accounts.roles import Role
from server.live import consumers
from server.live.consumers import FlowConsumer
from server.live.pump import GROUP
from server.nodes.models import ApiKey, Node

PASSWORD = "a long enough password"


@pytest.fixture
def person(db):
    def make(role: Role | None):
        user = User.objects.create_user(f"the-{role}", password=PASSWORD)
        if role:
            roles.assign(user, role)
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def as_role(person):
    def login(role):
        client = Client()
        client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return login


@pytest.mark.parametrize("role", list(Role))
def test_everybody_with_a_role_sees_pages_and_reads_the_api(as_role, role):
    client = as_role(role)

    assert client.get("/").status_code == 200
    assert client.get("/api/v1/nodes").status_code == 200


def test_an_account_without_a_role_sees_nothing_but_the_way_out(as_role):
    client = as_role(None)

    assert client.get("/").status_code == 403
    assert client.get("/api/v1/nodes").status_code == 403
    assert client.post("/logout/").status_code == 302


def test_a_person_who_is_switched_off_is_nobody(person, client):
    user = person(Role.ADMIN)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    User.objects.update(is_active=False)

    assert client.get("/").status_code == 302
    assert client.get("/api/v1/nodes").status_code in {401, 403}


@pytest.mark.parametrize(
    ("role", "answers"),
    [
        (Role.ADMIN, [200, 200, 200, 200]),
        (Role.OPERATOR, [200, 403, 403, 200]),
        (Role.VIEWER, [302, 302, 302, 302]),
    ],
)
def test_the_admin_opens_to_each_role_what_it_may_do(as_role, role, answers):
    client = as_role(role)
    places = ["nodes/node/", "nodes/apikey/add/", "auth/user/", "ingest/deadletter/"]

    assert [client.get(f"/admin/{place}").status_code for place in places] == answers


def test_an_administrator_adds_a_node_and_sees_and_lifts_locks_of_logins(as_role):
    places = ["nodes/node/add/", "axes/accessattempt/", "axes/accesslog/"]

    admin, operator = as_role(Role.ADMIN), as_role(Role.OPERATOR)
    for client, status in ((admin, 200), (operator, 403)):
        assert [client.get(f"/admin/{place}").status_code for place in places] == [status] * 3

    admin.post("/admin/nodes/node/add/", {"name": "mta-42"})
    attempt = AccessAttempt.objects.create(
        username="x", ip_address="192.0.2.7", failures_since_start=3
    )
    form = {"action": "delete_selected", "_selected_action": [attempt.pk], "post": "yes"}
    admin.post("/admin/axes/accessattempt/", form)

    assert Node.objects.get().name == "mta-42"
    assert not AccessAttempt.objects.exists()


def test_an_operator_puts_a_node_into_maintenance_and_the_log_names_them(as_role, node):
    client = as_role(Role.OPERATOR)

    client.post(
        "/admin/nodes/node/", {"action": "begin_maintenance", "_selected_action": [node.pk]}
    )

    entry = LogEntry.objects.get()
    assert Node.objects.get().in_maintenance
    assert (entry.user.username, entry.change_message) == ("the-operator", "Maintenance began.")


def test_an_operator_cannot_revoke_a_key(as_role, node):
    key, _ = ApiKey.issue(name="agent", scope="agent", node=node)

    as_role(Role.OPERATOR).post(
        "/admin/nodes/apikey/", {"action": "revoke", "_selected_action": [key.pk]}
    )

    assert ApiKey.objects.get().revoked_at is None


def test_an_administrator_makes_a_person_with_a_role_and_no_superuser(as_role):
    client = as_role(Role.ADMIN)
    form = {
        "username": "new",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "role": "operator",
        "is_superuser": "on",
        "email": "",
    }

    client.post("/admin/auth/user/add/", form)

    made = User.objects.get(username="new")
    assert (roles.role_of(made), made.is_staff, made.is_superuser) == (Role.OPERATOR, True, False)


def test_an_administrator_cannot_touch_a_superuser(as_role):
    chief = User.objects.create_superuser("chief", password=PASSWORD)

    answer = as_role(Role.ADMIN).post(
        f"/admin/auth/user/{chief.pk}/change/", {"username": "mine", "role": "viewer"}
    )

    assert answer.status_code == 403
    assert User.objects.get(pk=chief.pk).username == "chief"


def test_a_changed_role_is_written_down_with_both_values(as_role, person):
    viewer = person(Role.VIEWER)
    form = {"username": viewer.username, "role": "operator", "is_active": "on", "email": ""}

    as_role(Role.ADMIN).post(f"/admin/auth/user/{viewer.pk}/change/", form)

    assert "role: 'viewer' → 'operator'" in LogEntry.objects.get().change_message
    assert roles.role_of(User.objects.get(pk=viewer.pk)) is Role.OPERATOR


def test_a_socket_without_a_role_is_closed(transactional_db, person):
    async def answers(user):
        scope = {"type": "websocket", "path": "/ws/live/", "user": user}
        socket = ApplicationCommunicator(FlowConsumer.as_asgi(), scope)
        await socket.send_input({"type": "websocket.connect"})
        sent = [await socket.receive_output(timeout=10) for _ in range(2)]
        await database_sync_to_async(connections.close_all)()  # the thread's own
        return sent

    _accepted, closed = asyncio.run(answers(person(None)))

    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


def log_in(user):
    """Return a new session of a person."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session.save()
    return session


def sockets_answers(user, count=1, *, session=None, after_connect=lambda: None):
    """Connect sockets of one person, then let a frame come; return what the last one was sent."""
    session = session or log_in(user)

    async def answers():
        sockets = [
            ApplicationCommunicator(
                FlowConsumer.as_asgi(),
                {"type": "websocket", "path": "/ws/live/", "user": user, "session": session},
            )
            for _ in range(count)
        ]
        for socket in sockets:
            await socket.send_input({"type": "websocket.connect"})
            sent = [await socket.receive_output(timeout=10) for _ in range(2)]
        await database_sync_to_async(after_connect)()
        if sent[1]["type"] == "websocket.send":
            await get_channel_layer().group_send(GROUP, {"type": "flow", "frame": {"tick": 1}})
            sent.append(await sockets[-1].receive_output(timeout=10))
        for socket in sockets:
            await socket.send_input({"type": "websocket.disconnect", "code": 1000})
            await socket.wait()
        await database_sync_to_async(connections.close_all)()  # the thread's own
        return sent

    return asyncio.run(answers())


@pytest.fixture
def snapshot(monkeypatch, empty_redis):
    class StillPump:
        async def snapshot(self):
            return {"type": "snapshot"}

    monkeypatch.setattr(consumers, "_pumps", [StillPump()])
    monkeypatch.setattr(consumers, "CHECK_EVERY_S", 0.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: user.groups.clear(),
        lambda user: User.objects.filter(pk=user.pk).update(password="another"),
        lambda user: User.objects.filter(pk=user.pk).delete(),
    ],
)
def test_the_socket_of_an_account_that_may_no_longer_read_is_closed(
    transactional_db, person, snapshot, change
):
    user = person(Role.VIEWER)

    *_, stays = sockets_answers(user)
    *_, closed = sockets_answers(user, after_connect=lambda: change(user))

    assert stays["type"] == "websocket.send"
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


@pytest.mark.parametrize(
    "end",
    [
        lambda session: session.flush(),  # logged out, in another tab
        lambda session: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
    ],
)
def test_the_socket_of_a_session_that_ended_is_closed(transactional_db, person, snapshot, end):
    user = person(Role.VIEWER)
    session = log_in(user)

    *_, closed = sockets_answers(user, session=session, after_connect=lambda: end(session))

    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


def test_a_person_has_a_bounded_number_of_sockets(transactional_db, person, snapshot):
    user = person(Role.VIEWER)

    *_, closed = sockets_answers(user, consumers.MAX_SOCKETS_OF_USER + 1)
    *_, again = sockets_answers(user, consumers.MAX_SOCKETS_OF_USER)

    assert (closed["type"], closed["code"]) == ("websocket.close", consumers.TOO_MANY)
    assert again["type"] == "websocket.send"


def test_wrong_passwords_lock_a_name_at_an_address_for_a_while(person, client, settings):
    settings.AXES_FAILURE_LIMIT = 3
    person(Role.VIEWER)
    for _ in range(3):
        client.post("/login/", {"username": "the-viewer", "password": "wrong"})

    locked = client.post("/login/", {"username": "the-viewer", "password": PASSWORD})
    elsewhere = client.post(
        "/login/", {"username": "the-viewer", "password": PASSWORD}, REMOTE_ADDR="203.0.113.7"
    )

    assert locked.status_code == 429
    assert "Too many attempts" in locked.content.decode()
    assert elsewhere.status_code == 302


def test_an_answer_carries_the_id_of_its_request_and_a_forged_one_is_replaced(client):
    given = client.get("/login/", headers={"x-request-id": "abcdef12-3456"})
    forged = client.get("/login/", headers={"x-request-id": "x\tid=1 ERROR all lost"})

    assert given["X-Request-Id"] == "abcdef12-3456"
    assert len(forged["X-Request-Id"]) == 16

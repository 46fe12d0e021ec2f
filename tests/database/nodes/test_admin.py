import re

import pytest
from django.test import Client

from server.nodes.authentication import find_holder
from server.nodes.keys import parse_key, secret_matches
from server.nodes.models import ApiKey, Node

pytestmark = pytest.mark.django_db


def test_making_a_key_shows_its_text_once_and_stores_only_a_hash(admin_client: Client, node: Node):
    form = {"name": "agent", "scope": "agent", "node": node.pk}

    page = admin_client.post("/admin/nodes/apikey/add/", form, follow=True).content.decode()

    text = re.search(r"mlrd_\w+", page).group()
    stored = ApiKey.objects.get()
    key = parse_key(text)
    assert key.prefix == stored.prefix
    assert secret_matches(key.secret, stored.secret_hash)
    assert text not in admin_client.get("/admin/nodes/apikey/").content.decode()


@pytest.mark.parametrize("scope", ["agent", "webhook"])
def test_a_key_that_writes_is_made_for_a_node_unless_any_node_is_chosen(admin_client, scope):
    form = {"name": "roll-out", "scope": scope}

    page = admin_client.post("/admin/nodes/apikey/add/", form).content.decode()

    assert "Choose the node" in page
    assert not ApiKey.objects.exists()
    admin_client.post("/admin/nodes/apikey/add/", form | {"any_node": "on"})
    assert ApiKey.objects.get().node is None


def test_a_key_of_any_node_can_be_bound_later(admin_client, node):
    key, _ = ApiKey.issue(name="roll-out", scope="agent")
    path, form = f"/admin/nodes/apikey/{key.pk}/change/", {"name": "roll-out", "scope": "agent"}

    page = admin_client.get(path).content.decode()
    assert re.search(r'<input[^>]*name="any_node"[^>]*checked', page)
    admin_client.post(path, form | {"node": node.pk})

    assert ApiKey.objects.get().node == node


def test_a_revoked_key_is_found_no_more(admin_client: Client, node: Node):
    key, _ = ApiKey.issue(name="agent", scope="agent", node=node)
    assert find_holder(key.prefix)

    admin_client.post(
        "/admin/nodes/apikey/", {"action": "revoke", "_selected_action": [key.pk]}, follow=True
    )

    assert find_holder(key.prefix) is None


def test_a_hostile_node_name_is_shown_as_text(admin_client: Client):
    Node.objects.create(name="<script>alert(1)</script>")

    page = admin_client.get("/admin/nodes/node/").content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_rotated_key_works_on_for_a_while_beside_its_successor(
    admin_client: Client, node: Node, settings
):
    key, _ = ApiKey.issue(name="agent", scope="agent", node=node)

    page = admin_client.post(
        "/admin/nodes/apikey/", {"action": "rotate", "_selected_action": [key.pk]}, follow=True
    ).content.decode()

    new = parse_key(re.search(r"mlrd_\w+", page).group())
    assert find_holder(key.prefix)
    assert find_holder(new.prefix).node == "mta-01"
    ApiKey.objects.filter(pk=key.pk).update(expires_at="2020-01-01T00:00Z")
    assert find_holder(key.prefix) is None


def test_a_retired_node_is_listed_no_more_and_its_keys_are_revoked(
    admin_client: Client, node: Node
):
    key, _ = ApiKey.issue(name="agent", scope="agent", node=node)

    admin_client.post("/admin/nodes/node/", {"action": "retire", "_selected_action": [node.pk]})

    assert find_holder(key.prefix) is None
    assert admin_client.get("/api/v1/nodes").json()["nodes"] == []


def test_the_use_of_a_key_is_noted_with_its_address(node: Node):
    key, _ = ApiKey.issue(name="agent", scope="agent", node=node)

    find_holder(key.prefix, client_address="203.0.113.9")

    assert ApiKey.objects.get().last_used_from == "203.0.113.9"


@pytest.mark.parametrize(
    "path",
    [
        "nodes/apikey/?secret_hash__startswith=a",
        "nodes/apikey/?secret_hash=a",
        "nodes/node/?keys__secret_hash__startswith=a",
        "auth/user/?password__startswith=a",
        "admin/logentry/?user__password__startswith=a",
    ],
)
def test_nobody_finds_out_a_secret_by_filtering_for_it(admin_client, node, path):
    ApiKey.issue(name="agent", scope="agent", node=node)

    assert admin_client.get(f"/admin/{path}").status_code == 400


def test_a_new_key_is_in_no_cookie(admin_client, node):
    form = {"name": "agent", "scope": "agent", "node": node.pk}

    answer = admin_client.post("/admin/nodes/apikey/add/", form)

    assert "mlrd_" not in str(answer.cookies)
    assert "messages" not in answer.cookies
    assert "mlrd_" in admin_client.get(answer["location"]).content.decode()

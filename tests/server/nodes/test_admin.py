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

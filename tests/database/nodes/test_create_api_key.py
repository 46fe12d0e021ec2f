from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from server.nodes.keys import parse_key
from server.nodes.models import ApiKey

pytestmark = pytest.mark.django_db


def test_the_command_prints_the_key_alone_and_binds_it_to_its_node():
    out = StringIO()

    call_command("create_api_key", name="agent", node="mta-07", stdout=out)

    key = ApiKey.objects.get()
    assert parse_key(out.getvalue().strip()).prefix == key.prefix
    assert (key.node.name, key.scope) == ("mta-07", "agent")


@pytest.mark.parametrize("scope", ["agent", "webhook"])
def test_a_key_that_writes_is_bound_to_a_node_unless_any_node_is_chosen(scope):
    with pytest.raises(CommandError, match="--any-node"):
        call_command("create_api_key", name="roll-out", scope=scope)
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("create_api_key", "--name=x", "--node=mta-01", "--any-node")
    assert not ApiKey.objects.exists()

    call_command("create_api_key", "--any-node", name="roll-out", scope=scope, stdout=StringIO())

    assert ApiKey.objects.get().node is None


def test_a_key_that_reads_needs_no_node():
    call_command("create_api_key", name="grafana", scope="read", stdout=StringIO())

    assert ApiKey.objects.get().node is None

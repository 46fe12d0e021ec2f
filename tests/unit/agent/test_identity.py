"""A node without a name has the same one again after the agent was installed anew."""

import socket

import pytest

from agent.config.identity import default_node_id, node_id

MACHINE = "0123456789abcdef0123456789abcdef"
CLONE_OF_ANOTHER = "fedcba9876543210fedcba9876543210"


def test_the_same_machine_has_the_same_name(tmp_path):
    file = tmp_path / "machine-id"
    file.write_text(f"{MACHINE}\n")

    assert default_node_id(files=(file,)) == default_node_id(files=(file,))
    assert default_node_id(files=(tmp_path / "none", file)) == default_node_id(files=(file,))


def test_the_name_begins_with_that_of_the_host_and_shows_nothing_of_the_machine_id():
    made = node_id("mta-01.example", MACHINE)

    assert made.startswith("mta-01.example-")
    assert made.rpartition("-")[2] not in MACHINE


def test_machines_of_one_name_and_clones_with_names_of_their_own_are_kept_apart():
    names = {
        node_id("localhost", MACHINE),
        node_id("localhost", CLONE_OF_ANOTHER),
        node_id("mta-02", MACHINE),
    }

    assert len(names) == 3


@pytest.mark.parametrize("text", ["", "uninitialized\n", "not hexadecimal", "0123", "\xff"])
def test_without_a_machine_id_the_host_name_is_the_name(tmp_path, text):
    file = tmp_path / "machine-id"
    file.write_text(text, encoding="latin-1")

    assert default_node_id(files=(file,)) == node_id(socket.gethostname(), None)


@pytest.mark.parametrize("name", ["", "a" * 300, "name with spaces", "ä\x00\n"])
def test_any_host_name_makes_a_name_the_server_takes(name):
    made = node_id(name, MACHINE)

    assert 0 < len(made) <= 64
    assert made.isascii()
    assert made.isprintable()

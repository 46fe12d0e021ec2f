"""The documents: every link leads somewhere, every runnable command runs, and it is noticed."""

import pytest

from build import docs_check
from build.docs_check import parse

FOUND = docs_check.documents()


def wrong(text, *, path="README.md", others=None):
    return list(docs_check.faults({path: parse(path, text)} | (others or {})))


def test_every_link_and_path_of_the_documents_is_there():
    assert list(docs_check.faults(FOUND)) == []


@pytest.mark.parametrize("block", docs_check.runnable(FOUND), ids=lambda b: f"{b.path}:{b.line}")
def test_what_is_marked_as_runnable_runs(block):
    assert docs_check.run(block) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](docs/nothing.md)", "docs/nothing.md: there is no such file"),
        ("[a](#nowhere)", "#nowhere: there is no such heading"),
        ("[a](LICENSE) [b](../../etc/passwd)", "leads out of the project"),
        ("[a]: docs/nothing.md", "docs/nothing.md: there is no such file"),
        ("![a](docs/images/nothing.png)", "there is no such file"),
        ("see `server/nothing.py`", "`server/nothing.py` is not there"),
    ],
)
def test_what_leads_nowhere_is_named(text, said):
    assert [line for line in wrong(text) if said in line]


def test_what_is_there_and_what_is_elsewhere_is_let_through():
    text = "# A *title* of `x`\n[a](#a-title-of-x) [b](LICENSE) [c](https://nowhere.invalid/) `a/b`"

    assert wrong(text) == []


def test_links_in_code_are_no_links():
    assert wrong("`[a](nothing.md)`\n\n```\n[b](nothing.md)\n```\n") == []


def test_headings_of_one_name_are_numbered():
    assert parse("x.md", "# One\n## One\n## Two & three\n").anchors == {
        "one",
        "one-1",
        "two--three",
    }


def test_a_document_nobody_links_to_is_named():
    lonely = {"docs/lonely.md": parse("docs/lonely.md", "# Alone")}

    assert wrong("# Top", others=lonely) == [
        "docs/lonely.md: no way of links leads there from README.md"
    ]


def test_a_block_that_fails_is_named_with_what_it_said():
    [block] = parse("x.md", "```sh runnable\necho why\nexit 3\n```\n").blocks

    assert docs_check.run(block) == "x.md:1: code 3\n  why"


def test_a_block_stops_at_the_first_command_that_fails():
    [block] = parse("x.md", "```sh runnable\nfalse\ntrue\n```\n").blocks

    assert "code 1" in docs_check.run(block)

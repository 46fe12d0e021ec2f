"""Links and paths in documents and comments exist, and the check notices those that do not."""

import pytest

from tests import documents
from tests.documents import parse
from tests.paths import ROOT

THIS_FILE = "tests/unit/test_documents.py"


def problems_of(text, *, path="README.md", others=None):
    return list(documents.find_problems({path: parse(path, text)} | (others or {})))


def test_every_link_and_path_of_the_documents_exists():
    assert list(documents.find_problems(documents.read_documents())) == []


def test_every_file_that_a_comment_names_exists():
    missing = {
        name: paths
        for name in documents.list_files(*documents.SOURCES)
        if name != THIS_FILE and (paths := documents.find_missing_paths((ROOT / name).read_text()))
    }

    assert missing == {}


def test_a_file_that_a_comment_names_and_that_is_gone_is_found():
    text = '"""See server/nothing.py, docs/api.md and /etc/server/other.py."""'

    assert documents.find_missing_paths(text) == ["server/nothing.py"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a](docs/nothing.md)", "docs/nothing.md: there is no such file"),
        ("[a](#nowhere)", "#nowhere: there is no such heading"),
        ("[a](LICENSE) [b](../../etc/passwd)", "leads out of the project"),
        ("[a]: docs/nothing.md", "docs/nothing.md: there is no such file"),
        ("![a](docs/images/nothing.png)", "there is no such file"),
        ("see `server/nothing.py`", "`server/nothing.py` does not exist"),
    ],
)
def test_a_link_or_path_that_leads_nowhere_is_named(text, problem):
    assert [line for line in problems_of(text) if problem in line]


def test_existing_targets_and_addresses_elsewhere_pass():
    text = "# A *title* of `x`\n[a](#a-title-of-x) [b](LICENSE) [c](https://nowhere.invalid/) `a/b`"

    assert problems_of(text) == []


def test_links_in_code_are_no_links():
    assert problems_of("`[a](nothing.md)`\n\n```\n[b](nothing.md)\n```\n") == []


def test_headings_of_one_name_are_numbered():
    assert parse("x.md", "# One\n## One\n## Two & three\n").anchors == {
        "one",
        "one-1",
        "two--three",
    }


def test_a_document_that_no_link_leads_to_is_named():
    lonely = {"docs/lonely.md": parse("docs/lonely.md", "# Alone")}

    assert problems_of("# Top", others=lonely) == [
        "docs/lonely.md: no link from README.md leads to it"
    ]


def test_a_block_that_fails_is_named_with_its_output():
    [block] = parse("x.md", "```sh runnable\necho why\nexit 3\n```\n").blocks

    assert documents.run(block) == "x.md:1: code 3\n  why"


def test_a_block_stops_at_the_first_command_that_fails():
    [block] = parse("x.md", "```sh runnable\nfalse\ntrue\n```\n").blocks

    assert "code 1" in documents.run(block)

"""The commands that the documents mark as runnable."""

import pytest

from tests import documents


@pytest.mark.parametrize(
    "block",
    documents.runnable_blocks(documents.read_documents()),
    ids=lambda block: f"{block.path}:{block.line}",
)
def test_a_block_marked_as_runnable_runs(block):
    assert documents.run(block) == ""

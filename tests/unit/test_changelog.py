"""The changelog: what changed in which version, newest first, and since when it is out."""

import re
import tomllib
from datetime import date

import pytest

from tests.paths import ROOT

HEADING = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")
UNRELEASED = "Unreleased"


def sections(text):
    """Return the headings of versions, the newest first."""
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def find_problems(text):
    """Yield the headings that are neither dated nor unreleased, and those out of order."""
    last = None
    for index, heading in enumerate(sections(text)):
        if heading == UNRELEASED and index == 0:
            continue
        if not (match := HEADING.fullmatch(heading)):
            yield f"{heading}: neither VERSION - YYYY-MM-DD nor, at the top, {UNRELEASED}"
            continue
        try:
            released = (tuple(map(int, match[1].split("."))), date.fromisoformat(match[2]))
        except ValueError:
            yield f"{heading}: there is no such day"
            continue
        if last and not (released[0] < last[0] and released[1] <= last[1]):
            yield f"{heading}: not older than the section above it"
        last = released


def test_every_section_is_of_a_dated_version_or_unreleased():
    assert list(find_problems((ROOT / "CHANGELOG.md").read_text())) == []


def test_the_version_of_the_project_has_a_section():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = [heading.split(" ")[0] for heading in sections((ROOT / "CHANGELOG.md").read_text())]

    assert {UNRELEASED, project["version"]} & set(versions)


@pytest.mark.parametrize(
    "text",
    [
        "## 0.2.0\n",
        "## 0.2.0 - 2026-02-30\n",
        "## 0.2.0 - 2026-01-02\n## Unreleased\n",
        "## 0.1.0 - 2026-01-02\n## 0.2.0 - 2026-01-01\n",
        "## 0.2.0 - 2026-01-02\n## 0.1.0 - 2026-01-03\n",
    ],
)
def test_a_section_without_a_date_or_out_of_order_is_found(text):
    assert len(list(find_problems(text))) == 1

"""Rule files: what they define, and what is refused with its place and the fix."""

import contextlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.conditions.condition import Reading, Subject
from server.alerts.conditions.parameters import BadRule
from server.alerts.definitions.files import MAX_FILE_BYTES, MAX_FILES, read_rule_files
from server.alerts.definitions.parser import parse_definition
from server.alerts.states import Holds

GOOD = """
# Bounces are usual here.
[bounce_share]
threshold = "7%"
for = "45m"

[bulk_stands]
condition = "zone_silent"
severity = "warning"
threshold = "30m"
subject = "bulk"

[cpu_high]
enabled = false
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="10-mail.toml"):
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(content)
        return read_rule_files(tmp_path)

    return write


def test_a_file_changes_figures_of_default_rules_and_adds_others(write):
    files = write(GOOD)

    assert files.problems == []
    rules = {name: definition for name, (_, definition) in files.definitions.items()}
    bounces = rules["bounce_share"].rule
    assert (bounces.values["threshold"], bounces.values["for"]) == (7.0, 2_700)
    default = DEFAULT_RULES["bounce_share"].values
    assert (bounces.values["window"], bounces.severity) == (default["window"], "warning")
    assert rules["bulk_stands"].rule.subjects == ("bulk",)
    assert (rules["cpu_high"].is_enabled, rules["bulk_stands"].is_enabled) == (False, True)


def test_what_is_stored_reads_back_as_the_same_rule(write):
    for name, (_, definition) in write(GOOD).definitions.items():
        assert parse_definition(name, definition.fields, "") == definition


def test_without_another_clear_its_distance_is_kept():
    above = parse_definition("bounce_share", {"threshold": "10 %"}, "").rule.values
    below = parse_definition("disk_low", {"threshold": "95 %"}, "").rule.values

    assert (above["clear"], below["clear"]) == (8.0, 100.0)


def test_a_rule_judges_only_the_subjects_that_it_matches():
    written = {"node": ["mta-*", "mx-1"], "subject": "*:/var"}
    rule = parse_definition("disk_low", written, "").rule

    assert rule.matches("mta-01", "mta-01:/var")
    assert not rule.matches("mx-2", "mx-2:/var")
    assert not rule.matches("mta-01", "mta-01:/")
    assert rule.judge(Reading(Subject("file_system", "mta-01:/var", "mta-01"), 1.0)) is Holds.YES


@pytest.mark.parametrize(
    ("text", "place", "problem", "fix"),
    [
        ("[cpu_high]\n\nthreshold = nan", ":3 [cpu_high].threshold", "no number", "such as '85 %'"),
        ("[cpu_high]\nthreshold = inf", ":2 [cpu_high].threshold", "no number", "in %"),
        ("[cpu_high]\nthreshold = '5 min'", ":2 [cpu_high].threshold", "does not fit", "in %"),
        ("[cpu_high]\ntreshold = 5", ":2 [cpu_high].treshold", "no such field", "threshold"),
        ("[cpu_high]\nthreshold = 5\nclear = 6", ":3 [cpu_high].clear", "end while it fires",
         "not above 5 %"),
        ("[cpu_high]\nfor = '31 d'", ":2 [cpu_high].for", "out of bounds", "0 s to 30 d"),
        ("[cpu_high]\nfor = 2026-11-21", ":2 [cpu_high].for", "no number", "such as"),
        ("[cpu_high]\nseverity = 'page'", ":2 [cpu_high].severity", "no severity", "critical"),
        ("[cpu_high]\nenabled = 'no'", ":2 [cpu_high].enabled", "neither", "true or false"),
        ("[cpu_high]\ncondition = 'disk_low'", ":2 [cpu_high].condition", "is of cpu_high",
         "another name"),
        ("[cpu_high]\nnode = 3", ":2 [cpu_high].node", "neither a text", "mta-*"),
        ('[cpu_high]\nnode = "a\\u0000"', ":2 [cpu_high].node", "cannot be a pattern", "1 to"),
        ("[cpu_high]\nnode = []\nsubject = ['']", ":3 [cpu_high].subject", "cannot be", "1 to"),
        ("[queue_age]\nseverity = 'warning'", ":1 [queue_age].condition", "there is none",
         "Conditions are:"),
        ("[mine]\ncondition = 'cpu'\n", ":2 [mine].condition", "no condition 'cpu'", "cpu_high"),
        ("[mine]\ncondition = 'cpu_high'", ":1 [mine].severity", "there is none", "critical"),
        ("[zones]\ncondition = 'zone_silent'\nseverity = 'warning'\nnode = 'a'",
         ":4 [zones].node", "a zone is of no node", "`subject`"),
        ("['../x y']\na = 1", ":1 [../x y]", "cannot be the name", "small letters"),
        ("[preview]\na = 1", ":1 [preview]", "cannot be the name", "small letters"),
        ("threshold = 5", " [threshold]", "no table of fields", "below [threshold]"),
        ("[a]\n[a]", "", "Cannot declare ('a',) twice (at line 2", "Correct it"),
        ("a = [", "", "this is no TOML", "Correct it"),
        (b"[a]\n\xff\n", ":2", "no UTF-8", "as UTF-8"),
        ("[a]\nb = " + "[" * 90_000, "", "beyond all bounds", "Shorten it"),
        ("[a]\nb = " + "9" * 90_000, "", "beyond all bounds", "Shorten it"),
        ("#" * (MAX_FILE_BYTES + 1), "", "too large", "256 KiB"),
    ],
    ids=range(26),
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place_and_the_fix(write, text, place, problem, fix):
    files = write(text)

    (error,) = files.problems
    assert error.place == f"10-mail.toml{place}"
    assert problem in error.problem
    assert fix in error.fix
    assert files.definitions == {}


def test_all_errors_are_named_at_once_and_what_is_right_is_still_read(write):
    files = write("[a]\nx = 1\n[cpu_high]\nfor = '1 m'\n[b]\nx = 1\n")

    assert [error.place for error in files.problems] == [
        "10-mail.toml:1 [a].condition", "10-mail.toml:5 [b].condition",
    ]  # fmt: skip
    assert list(files.definitions) == ["cpu_high"]


def test_a_rule_stands_in_one_file(write):
    write("[cpu_high]\nenabled = false")
    files = write("[cpu_high]\nenabled = true", "20-more.toml")

    (error,) = files.problems
    assert str(error) == (
        "20-more.toml [cpu_high]: 10-mail.toml defines this rule too. Remove one of them."
    )


def test_a_directory_that_cannot_be_read_and_files_that_are_none_are_errors(tmp_path, write):
    assert "No such file" in str(read_rule_files(tmp_path / "gone").problems[0])
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "bad name\n.toml").write_text("")
    (tmp_path / ".hidden.toml").write_text("[")
    (tmp_path / "README").write_text("[")

    assert [error.problem for error in write(GOOD).problems] == [
        "this cannot be the name of a rule file", "this is no regular file",
    ]  # fmt: skip


def test_too_many_files_and_too_many_rules_are_refused(tmp_path, write):
    many = "".join(f"[r{n}]\ncondition = 'cpu_high'\nseverity = 'warning'\n" for n in range(201))
    assert "201 rules are too many" in str(write(many).problems[0])
    for number in range(MAX_FILES):
        (tmp_path / f"{number}.toml").write_text("")
    assert "101 files are too many" in str(read_rule_files(tmp_path).problems[0])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["5 %", "5 min", "cpu_high", "warning", "mta-*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
FIELDS = st.sampled_from(
    ["threshold", "clear", "for", "severity", "enabled", "node", "subject", "condition"]
)


#: A machine may be slow.
AT_LEISURE = settings(max_examples=60)


@AT_LEISURE
@given(
    st.sampled_from(["cpu_high", "mine"]) | st.text(max_size=70),
    VALUES | st.dictionaries(FIELDS | st.text(max_size=50), VALUES, max_size=4),
)
def test_whatever_is_written_is_a_rule_or_refused(name, written):
    with contextlib.suppress(BadRule):
        definition = parse_definition(name, written, "x")
        assert parse_definition(name, definition.fields, "x") == definition

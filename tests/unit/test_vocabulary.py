"""The code's language and structure stay within the limits of the redesign."""

import pytest

from tests.unit.vocabulary import WORDS, Measures, is_participle, table


@pytest.fixture(scope="module")
def measures():
    return Measures()


@pytest.mark.parametrize("word", WORDS)
def test_words_of_a_private_dialect_are_rare(measures, word):
    assert measures.words_per_1000_lines[word] <= 0.1


def test_functions_are_named_by_verbs_and_nouns(measures):
    assert measures.participle_percent() < 1, measures.participle_functions()


def test_no_module_describes_itself_by_a_question(measures):
    assert measures.question_docstrings() == []


def test_bounds_are_called_max_and_min(measures):
    assert not measures.bounds_by_dialect()


def test_results_are_named_for_what_they_are(measures):
    assert len(measures.results_named_found()) <= 14, measures.results_named_found()


def test_no_folder_has_more_than_twenty_sources_on_one_level(measures):
    assert {name: n for name, n in measures.files_per_folder().items() if n > 20} == {}


def test_no_file_is_longer_than_500_lines(measures):
    assert measures.long_files() == {}


def test_the_tooling_stays_small(measures):
    assert measures.build_lines() <= 6_000
    assert len(measures.make_targets()) <= 12


def test_the_figures_of_performance_fit_on_a_page(measures):
    assert measures.performance_words() <= 1_000


def test_the_table_has_a_row_for_each_measure(measures):
    assert len(table(measures).splitlines()) == 12


@pytest.mark.parametrize("name", ["told", "framed", "kept"])
def test_a_bare_participle_is_recognized(name):
    assert is_participle(name)


@pytest.mark.parametrize("name", ["seed", "keep_open", "read", "is_expired"])
def test_other_names_are_no_participles(name):
    assert not is_participle(name)

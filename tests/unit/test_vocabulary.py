"""The code's language and structure stay within the limits of the redesign."""

import pytest

from tests.unit.vocabulary import Measures, is_participle, table


@pytest.fixture(scope="module")
def measures():
    return Measures()


def test_no_folder_has_more_than_twenty_sources_on_one_level(measures):
    assert {name: n for name, n in measures.files_per_folder().items() if n > 20} == {}


def test_no_file_is_longer_than_500_lines(measures):
    assert measures.long_files() == {}


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

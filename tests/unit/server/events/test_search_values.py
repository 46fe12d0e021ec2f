"""Values of a search that stand for several."""

import pytest

from server.events import search_values as values


def test_a_range_of_codes_has_both_ends():
    assert values.parse_codes("451") == (451, 451)
    assert values.parse_codes("450-459") == (450, 459)
    assert values.parse_codes("5XX") == (500, 599)


@pytest.mark.parametrize(
    "text", ["", "45", "4x", "1xx", "600", "459-450", "450-", "٤٥٠", "450\n451"]
)
def test_a_text_that_is_no_code_is_refused(text):
    with pytest.raises(ValueError, match=r"code|Reply"):
        values.parse_codes(text)


def test_a_node_with_a_comma_in_its_name_is_found_too():
    assert values.list_nodes("a,b") == ("a,b", "a", "b")
    assert values.list_nodes("a") == ("a",)


def test_nothing_typed_is_a_wildcard_of_sql():
    assert values.like_pattern(r"100%_\ ") == r"%100\%\_\\ %"

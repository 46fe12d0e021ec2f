"""Numbers in templates."""

import pytest

from server.dashboard.shell.format_filters import register


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("thousands", 1_234, "1,234"),
        ("thousands", None, "–"),  # noqa: RUF001
        ("milliseconds", "", "–"),  # noqa: RUF001
        ("byte_size", 1_500, "1.5 KB"),
        ("duration", 65, "1 min"),
    ],
)
def test_a_number_is_written_as_everywhere_and_what_is_missing_is_a_dash(name, value, text):
    assert register.filters[name](value) == text

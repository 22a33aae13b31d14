"""One line of what a library says, whatever it says."""

import pytest

from asr.reasons import first_line, last_line


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("size mismatch", "size mismatch", "size mismatch"),
        ("Error(s) in loading:\n\tsize mismatch for a\n", "Error(s) in loading:", "size mismatch for a"),
        ("", "ValueError", "ValueError"),
        ("\n \n", "ValueError", "ValueError"),
    ],
)
def test_the_line_is_never_missing(said, first, last):
    assert first_line(ValueError(said)) == first
    assert last_line(ValueError(said)) == last

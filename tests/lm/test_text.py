"""Text for language models: normal text is left alone, everything else becomes it or is refused."""

import gzip
import io
import lzma
import random
import re

import pytest

from lm.numbers import spell_cardinal, spell_numbers, spell_ordinal
from lm.text import TextError, normalise, read_lines

NORMAL = re.compile(r"([a-z]+('[a-z]+)*( [a-z]+('[a-z]+)*)*)?")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("don't stop", "don't stop"),
        ("  Don’t STOP -- now!  ", "don't stop now"),
        ("'Tis the boys' café, naïve Œuvre", "tis the boys cafe naive oeuvre"),
        ("well-known words", "well known words"),
        (
            "In 1862, 21 of 1,203 men",
            "in eighteen sixty two twenty one of one thousand two hundred three men",
        ),
        ("the 3rd of May 1905 and the 1920s", "the third of may nineteen o five and the nineteen twenties"),
        ("3.14 of 7%", "three point one four of seven percent"),
        ("0 and 100 and 2,000,000", "zero and one hundred and two million"),
        ("R&D", "r and d"),
        ("...", ""),
        ("", ""),
        ("vitamin b12", None),
        ("Москва", None),
        ("1234567890123", None),
    ],
)
def test_lines(line, expected):
    assert normalise(line) == expected


def test_every_line_becomes_normal_and_stays_so():
    rng = random.Random(7)
    alphabet = "abcxyzABCéüñœ 0123456789'’-.,;:!?&%$ \tßŁ漢ж½²"
    refused = 0
    for _ in range(3000):
        text = normalise("".join(rng.choices(alphabet, k=rng.randint(0, 20))))
        refused += text is None
        if text is not None:
            assert NORMAL.fullmatch(text)
            assert normalise(text) == text
    assert 0 < refused < 3000


def test_numbers_are_spelled_so_that_they_can_be_read_back():
    """Reading the words from the left, a scale multiplies what came since the last larger one."""
    values = {spell_cardinal(number): number for number in range(100)}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9}

    def read(words):
        total = part = 0
        for word in words.split():
            if word in scales:
                total, part = total + part * scales[word], 0
            else:
                part = part * 100 if word == "hundred" else part + values[word]
        return total + part

    assert len(values) == 100
    rng = random.Random(2)
    for _ in range(500):
        number = rng.randrange(10 ** rng.randint(1, 12))
        assert read(spell_cardinal(number)) == number
    with pytest.raises(ValueError, match="cannot be spelled"):
        spell_cardinal(10**12)


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (12, "twelfth"), (20, "twentieth"), (23, "twenty third"), (100, "one hundredth")],
)
def test_ordinals(number, words):
    assert spell_ordinal(number) == words
    assert spell_numbers(f"the {number}th.") == f"the {words}."


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".xz"])
def test_packed_texts_read_alike(tmp_path, suffix):
    path, data = tmp_path / f"text{suffix}", "One line\r\n\n...\nМосква\nlast".encode()
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(suffix, bytes)
    path.write_bytes(pack(data))
    assert list(read_lines(path)) == ["one line", None, "last"]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\nworld\n"))
    assert list(read_lines("-")) == ["hello", "world"]


def test_unreadable_texts_are_named(tmp_path):
    latin, cut, fake = tmp_path / "latin.txt", tmp_path / "cut.gz", tmp_path / "fake.xz"
    latin.write_bytes("café".encode("latin-1"))
    cut.write_bytes(gzip.compress(bytes(range(97, 123)) * 50)[:-9])
    fake.write_bytes(b"plain")
    for path, words in [
        (latin, "UTF-8"),
        (cut, "cannot be read"),
        (fake, "cannot be read"),
        (tmp_path, "cannot"),
    ]:
        with pytest.raises(TextError, match=words) as caught:
            list(read_lines(path))
        assert str(path) in str(caught.value)

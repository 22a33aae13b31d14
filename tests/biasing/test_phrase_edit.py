"""Adding to a phrase file: what is read back is what was given, and all else stays."""

import random

import pytest

from biasing.phrase_edit import line_of, with_phrase
from biasing.phrases import Phrase, PhraseError, make_phrases, read_phrases

WORDS = ["Zelenskyy", "New York", "C++", "Straße", "O'Brien", "B12", "über-cool", "naïve"]


def phrases(count, seed=0):
    rng = random.Random(seed)
    for _ in range(count):
        yield Phrase(
            rng.choice(WORDS),
            rng.choice([None, 4.0, -2.5, 0.0]),
            rng.choice([(), ("zuh len skee",), ("/S IY R SH AH/", "sear sha")]),
            rng.choice([None, "Shown so"]),
        )


def test_a_line_is_read_as_what_was_given():
    for phrase in phrases(60):
        assert make_phrases([line_of(phrase)]) == make_phrases([phrase])


@pytest.mark.parametrize("before", ["", "# mine\nKeswick\t4", "Keswick\r\n# mine\r\n", "\ufeffKeswick\n\n"])
def test_a_file_keeps_what_it_has(tmp_path, before):
    file = tmp_path / "names.txt"
    file.write_bytes(before.encode())
    given = []
    for phrase in phrases(20, seed=2):
        text, line = with_phrase(file, phrase)
        assert text.startswith(before)
        given.append(line_of(phrase))
        if line is None:
            assert given.count(given[-1]) > 1
            continue
        assert text.split("\n")[line - 1].rstrip("\r") == given[-1]
        file.write_bytes(text.encode())
    old = make_phrases([one.split("\t")[0] + "\t4" * ("4" in one) for one in ["Keswick\t4"] if before])
    expected = {entry.key for entry in make_phrases(given)} | ({old[0].key} if before else set())
    assert {entry.key for entry in read_phrases(file)} == expected


def test_a_missing_file_is_empty(tmp_path):
    assert with_phrase(tmp_path / "none.txt", Phrase("Keswick")) == ("Keswick\n", 1)


@pytest.mark.parametrize(
    "text", ["", "☃", "# one", "a\tb", "two\nlines", "a :3", "x" * 2000, "\x00a", "Москва"]
)
def test_what_cannot_stand_in_a_file_is_refused(text):
    with pytest.raises(PhraseError):
        line_of(Phrase(text))

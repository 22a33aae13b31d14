"""The tokenizer: every phrase of the alphabet comes back, no text gives the blank, the rest is refused."""

import random
from pathlib import Path

import pytest
import sentencepiece
from samples import lines

from asr.phones import PHONE_IDS, PHONES, strip_stress
from asr.tokenizer import ALPHABET, Tokenizer, TokenizerError, train_tokenizer

SHIPPED = Path(__file__).parents[2] / "asr" / "pretrained"


def phrases(count, seed=2):
    rng = random.Random(seed)
    words = ["".join(rng.choices(ALPHABET, k=rng.randint(1, 12))) for _ in range(3 * count)]
    return [" ".join(rng.sample(words, rng.randint(1, 5))) for _ in range(count)]


def test_every_phrase_comes_back(tokenizer):
    for phrase in [*phrases(300), "bookkeeper", "'", "", *lines(20)]:
        tokens = tokenizer.encode(phrase)
        assert 0 not in tokens
        assert all(0 < token < len(tokenizer) == 64 for token in tokens)
        assert tokenizer.decode(tokens) == phrase


def test_pieces_longer_than_a_letter_are_used(tokenizer):
    text = " ".join(lines(30, seed=9))
    assert len(tokenizer.encode(text)) < 0.8 * len(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "stranger"),
    [("Hello", "H"), ("café", "é"), ("route 66", "6"), ("a-b", "-"), ("a\tb", "t"), ("日", "日")],
)
def test_other_characters_are_refused(tokenizer, text, stranger):
    with pytest.raises(TokenizerError, match="accepted are a-z") as caught:
        tokenizer.encode(text)
    assert stranger in str(caught.value)


def test_files_that_are_no_tokenizer_are_refused_in_one_line(tmp_path, tokenizer_file):
    (tmp_path / "text.model").write_text("no tokenizer")
    (tmp_path / "empty.model").write_bytes(b"")
    (tmp_path / "cut.model").write_bytes(tokenizer_file.read_bytes()[:300])
    for name in ("missing.model", "text.model", "empty.model", "cut.model", "."):
        with pytest.raises(TokenizerError) as caught:
            Tokenizer(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_tokenizer_of_other_letters_is_refused(tmp_path):
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([line.upper() for line in lines(50)]),
        model_prefix=str(tmp_path / "upper"),
        vocab_size=40,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    with pytest.raises(TokenizerError, match="letter of a-z is missing"):
        Tokenizer(tmp_path / "upper.model")


def test_too_little_text_for_so_many_pieces_is_said(tmp_path):
    with pytest.raises(TokenizerError, match="give more text or fewer pieces") as caught:
        train_tokenizer(["one two"], tmp_path / "new" / "tokenizer.model", 500)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_trained_tokenizer_holds_no_path_of_the_machine(tokenizer_file, tmp_path):
    train_tokenizer(lines(200), tmp_path / "elsewhere" / "tokenizer.model", 64)
    assert (tmp_path / "elsewhere" / "tokenizer.model").read_bytes() == tokenizer_file.read_bytes()
    for file in (tokenizer_file, *SHIPPED.glob("*/tokenizer.model")):
        assert b"/tmp" not in file.read_bytes()
        assert str(tmp_path.parent).encode() not in file.read_bytes()


def test_phones_are_numbered_from_one():
    assert len(PHONES) == len(set(PHONES)) == 39
    assert sorted(PHONE_IDS.values()) == list(range(1, 40))
    assert {strip_stress(phone) for phone in ("AH0", "AH1", "AH2", "AH")} == {"AH"}
    assert all(PHONES[number - 1] == phone for phone, number in PHONE_IDS.items())


def test_a_text_is_cut_once_however_many_lists_have_it(tokenizer):
    for text in phrases(5):
        once, ways = tokenizer.segmentations(text, 1), tokenizer.segmentations(text, 4)
        assert once == [tokenizer.encode(text)] == ways[:1]
        assert all(tokenizer.decode(way) == text for way in ways)
        assert len(set(map(tuple, ways))) == len(ways) <= 4
        assert tokenizer.segmentations(text, 1) is once
        assert tokenizer.segmentations(text, 4) is ways

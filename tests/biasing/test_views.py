"""Views of a score: complete, readable by people and by JSON."""

import json

import pytest

from biasing.intervals import Bootstrap
from biasing.metrics import NUMBERS, evaluate
from biasing.views import format_comparison, format_phrases, format_summary, letter_count, to_dict, word_count

REFS = ["call priya sharma now", "call zoe", "zoe came", "the office"]
HYPS = ["call priya sharma now", "call so", "zoe came", "zoe brahms office"]
PHRASES = ["priya sharma", "zoe", "brahms", "osprey"]


@pytest.fixture
def score():
    vocabulary = ["call", "now", "came", "the", "office", "zoe"]
    return evaluate(REFS, HYPS, PHRASES, vocabulary, Bootstrap(rounds=50))


def test_the_summary_has_every_number_once(score):
    lines = format_summary(score).splitlines()
    starts = [
        "WER 30.00%",
        "CER",
        "B-WER 25.00%",
        "U-WER 33.33%",
        "  (B-WER",
        "out-of-",
        "in-",
        "micro F1 57.14%",
    ]
    for line, start in zip(lines, starts, strict=False):
        assert line.startswith(start)
    assert lines[2].endswith("1 errors in 4 words of spoken phrases, 1 substituted, 0 deleted, 0 inserted")
    assert lines[4] == "  (B-WER and U-WER together: 3 errors, 30.00%)"
    assert "phrases spoken 3, hit 2, missed 1, falsely accepted 2" in lines
    assert (
        "  2 of the false accepts are phrases not spoken in the utterance; B-WER does not see 2 of them"
        in lines
    )
    assert any(line.startswith("  F1, 2 words 100.00%") for line in lines)
    assert any(line.startswith("  F1, out of vocabulary") for line in lines)
    assert lines[-1] == "never spoken: 2 ('brahms', 'osprey') phrases"


def test_the_summary_of_a_score_without_phrases_says_undefined():
    text = format_summary(evaluate(["a", ""], ["b", ""], []))
    assert "micro F1 undefined" in text
    assert "vocabulary" not in text
    assert text.endswith("empty references: 1 ('line 2')\n")


def test_the_table_has_the_most_mistaken_phrase_first(score):
    assert format_phrases(score) == (
        "phrase        spoken  hit  missed  falsely accepted\n"
        "zoe                2    1       1                 1\n"
        "brahms             0    0       0                 1\n"
        "priya sharma       1    1       0                 0\n"
    )


def test_the_dictionary_goes_through_json_and_agrees(score):
    found = json.loads(json.dumps(to_dict(score), allow_nan=False))
    assert list(found["numbers"]) == list(NUMBERS)
    for name, estimate in found["numbers"].items():
        assert estimate["value"] == pytest.approx(score.value(name))
    assert found["phrases_total"] == {"spoken": 3, "hits": 2, "misses": 1, "false_accepts": 2}
    assert found["phrases"]["zoe"] == {"spoken": 2, "hits": 1, "misses": 1, "false_accepts": 1}
    assert found["errors"]["biased"] == {
        "reference": 4,
        "hits": 3,
        "substitutions": 1,
        "deletions": 0,
        "insertions": 0,
    }
    assert (found["distractors"], found["hidden_distractors"]) == (2, 2)
    assert found["groups"]["words"]["2 words"]["f1"]["value"] == 1
    assert found["groups"]["letters"]["6 letters or more"]["precision"]["value"] == 0.5
    assert found["groups"]["vocabulary"]["in vocabulary"]["recall"]["value"] == 0.5
    assert found["never_spoken"] == ["brahms", "osprey"]
    undefined = to_dict(evaluate(["a"], ["a"], []))
    assert undefined["numbers"]["f1"] == {"value": None, "low": None, "high": None}


def test_a_comparison_is_one_line():
    a, b = evaluate(REFS, HYPS, PHRASES), evaluate(REFS, REFS, PHRASES)
    line = format_comparison("b_wer", a.compare(b, "b_wer"))
    assert line.startswith("B-WER: A 25.00%, B 0.00%, difference -25.00 points (95 % interval -")
    assert format_comparison("macro_f1", a.compare(a, "macro_f1")).endswith(
        "p = 1.0000 that B is not better\n"
    )


@pytest.mark.parametrize(
    ("phrase", "words", "letters"),
    [
        ("zoe", "1 word", "1-3 letters"),
        ("o'neil", "1 word", "4-5 letters"),
        ("al bo", "2 words", "4-5 letters"),
        ("a b c d", "3 words or more", "4-5 letters"),
        ("priya sharma", "2 words", "6 letters or more"),
    ],
)
def test_phrases_are_grouped_by_length(phrase, words, letters):
    assert (word_count(phrase), letter_count(phrase)) == (words, letters)

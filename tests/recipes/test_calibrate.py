"""Labels of words for the calibration: right means that the aligned word of the reference is the same."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from recipes.base.calibrate import labelled_words

PHONES = object()


@dataclass(frozen=True)
class Said:
    text: str
    confidence: float


class Parrot:
    """Decodes log-probs, which are nothing but a number, into the text of that number."""

    def __init__(self, texts):
        self.texts = texts

    def decode(self, log_probs, phones):
        assert phones is PHONES
        words = self.texts[int(log_probs[0, 0])].split()
        return [Said(word, index / 10) for index, word in enumerate(words)]


@pytest.mark.parametrize(
    ("said", "heard", "right"),
    [
        ("the cat sat", "the cat sat", [True, True, True]),
        ("the cat sat", "cat sat", [True, True]),
        ("cat sat", "the cat sat", [False, True, True]),
        ("the cat sat", "the dog sat down", [True, False, True, False]),
        ("", "uh", [False]),
        ("the cat", "", []),
    ],
)
def test_a_word_is_right_where_the_reference_has_it(said, heard, right):
    acoustics = SimpleNamespace(log_probs=np.zeros((1, 1)), phones=PHONES)
    found = SimpleNamespace(utterances=[SimpleNamespace(text=said)], acoustics=[acoustics])
    confidences, labels = labelled_words(found, Parrot([heard]))
    assert labels == right
    assert confidences == [index / 10 for index in range(len(right))]

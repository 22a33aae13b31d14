"""Laws of preparing lists: what earlier lists left behind changes nothing but the time."""

from __future__ import annotations

import numpy as np

from asr.decoding import DecodingOptions
from asr.prepared import PreparedPhrases, Tools
from biasing.g2p import Pronouncer
from biasing.graph import GraphArrays
from biasing.options import BiasOptions
from biasing.phrases import make_phrases

PIECES = ("", *(mark + letter for mark in ("▁", "") for letter in "abcdefghijklmnopqrstuvwxyz'"))


class Letters:
    """A tokenizer that cuts into letters, and counts how often it is asked."""

    pieces = PIECES

    def __init__(self) -> None:
        self.asked: list[str] = []

    def segmentations(self, text: str, count: int) -> list[list[int]]:
        self.asked.append(text)
        marked = ["▁" * (place == 0) + letter for word in text.split() for place, letter in enumerate(word)]
        return [[PIECES.index(piece) for piece in marked]][:count]

    def encode(self, text: str) -> list[int]:
        return self.segmentations(text, 1)[0]

    def decode(self, tokens: list[int]) -> str:
        return "".join(PIECES[token] for token in tokens)


def tools(letters: Letters) -> Tools:
    return Tools(letters, DecodingOptions(lm=False), BiasOptions(), None, Pronouncer.load())


def same(one: GraphArrays, other: GraphArrays) -> bool:
    return all(np.array_equal(mine, yours) for mine, yours in zip(one, other, strict=True))


def test_a_text_is_cut_once_however_many_lists_have_it() -> None:
    letters = Letters()
    shared = tools(letters)
    for names in (["abba", "new york"], ["new york", "cad abba"]):
        phrases = make_phrases(names)
        own, fresh = PreparedPhrases(phrases, shared), PreparedPhrases(phrases, tools(Letters()))
        assert same(own.graph.arrays, fresh.graph.arrays)
        assert all(map(np.array_equal, own.spotter._nodes, fresh.spotter._nodes))
    assert sorted(letters.asked) == ["abba", "cad abba", "new york"]

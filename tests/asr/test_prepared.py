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
    """A tokenizer that cuts into letters."""

    pieces = PIECES

    def segmentations(self, text: str, count: int) -> list[list[int]]:
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


def test_tools_that_other_lists_used_before_change_nothing() -> None:
    shared = tools(Letters())
    for names in (["abba", "new york"], ["new york", "cad abba"]):
        phrases = make_phrases(names)
        own, fresh = PreparedPhrases(phrases, shared), PreparedPhrases(phrases, tools(Letters()))
        assert same(own.graph.arrays, fresh.graph.arrays)
        assert all(map(np.array_equal, own.spotter._nodes, fresh.spotter._nodes))

"""A phrase list made ready for one model: everything that is built once and serves many recordings."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from asr.decoding import DecodingOptions
from asr.encoder_bias import EncoderBias
from asr.tokenizer import SubWords
from biasing.adapter import EncodedPhrases
from biasing.finder import PhraseFinder
from biasing.g2g import VariantOptions, with_variants
from biasing.g2p import Pronouncer
from biasing.gate import Gate
from biasing.graph import ContextGraph, graph_of
from biasing.lookup import LookupIndex
from biasing.options import BiasOptions
from biasing.phone_book import PhoneBook, WordWays
from biasing.phrases import Entry, PhraseList
from biasing.spotting import Spotter
from lm.classes import ClassModel
from lm.ngram import NGram, WordModel

RESPELLINGS = 3
"""Spellings of each pronunciation that a user gives which are listened for."""
COMMON_WORDS = 5000
"""The language model's most probable words, which the pronunciation lookup hesitates to replace."""


@dataclass(frozen=True, eq=False)
class Tools:
    """What phrase lists are prepared with.

    Attributes:
        tokenizer: of the model.
        options: how the recognizer decodes.
        bias: which ways of biasing are used.
        ngram: the language model; without one there is no class to enter.
        pronouncer: how words are said.
        encoder: the adapter of the model; without one the encoder hears no list.
    """

    tokenizer: SubWords
    options: DecodingOptions
    bias: BiasOptions
    ngram: NGram | None
    pronouncer: Pronouncer
    encoder: EncoderBias | None = None

    @cached_property
    def common(self) -> Collection[str]:
        """Frequent words; none without a language model."""
        lookahead = self.ngram.lookahead if self.ngram is not None else None
        return frozenset(lookahead.ranked[:COMMON_WORDS]) if lookahead is not None else frozenset()

    def encode(self, text: str) -> list[int]:
        """The best way to cut a text into sub-words; most phrases of a list were in the one before."""
        return self.tokenizer.segmentations(text, 1)[0]

    @cached_property
    def ways(self) -> WordWays:
        """How the words of all lists are said."""
        return WordWays(self.pronouncer)


class PreparedPhrases:
    """One list; its parts are built when they are first asked for."""

    def __init__(self, phrases: PhraseList, tools: Tools) -> None:
        self.phrases = phrases
        self.tools = tools

    def complete(self) -> None:
        """Build now all that the ways of biasing in use ask for, as before a fork, which then shares it."""
        bias = self.tools.bias
        _ = self.encoded, self.words, self.finder, self.book
        _ = bias.boosting and not self.tools.options.greedy and self.graph
        _ = self.gate if self.gated else bias.spotting and self.spotter
        _ = bias.lookup and self.index

    @cached_property
    def spelled(self) -> tuple[Entry, ...]:
        """The phrases with all spellings that are listened for."""
        bias, pronouncer = self.tools.bias, self.tools.pronouncer
        entries = tuple(_respelled(entry, pronouncer) for entry in self.phrases)
        if not bias.variants:
            return entries
        # Inflected forms would be entries of their own, beyond those that a report tells of.
        options = VariantOptions(most=bias.variants, possessive=-math.inf, plural=-math.inf)
        return with_variants(entries, pronouncer, options, self.tools.common)

    @cached_property
    def encoded(self) -> EncodedPhrases | None:
        """What the encoder hears of them; None where it has no adapter or that is off."""
        encoder, bias = self.tools.encoder, self.tools.bias
        if encoder is None or not bias.adapter:
            return None
        return encoder.encode(self.spelled, self.tools.encode, bias.boost.budget)

    @property
    def _decoder_share(self) -> float:
        """The part of what phrases are worth that is left to the search."""
        return 1.0 if self.encoded is None else self.tools.bias.encoder.decoder_share

    @cached_property
    def graph(self) -> ContextGraph:
        """What boosts them in the search."""
        tokenizer, bias, share = self.tools.tokenizer, self.tools.bias, self._decoder_share
        boost = replace(bias.boost, budget=share * bias.boost.budget)
        spelled = [_boosted(entry, share) for entry in self.spelled]

        def segment(text: str) -> list[list[int]]:
            return tokenizer.segmentations(text, bias.segmentations)

        return graph_of(spelled, segment, tokenizer.pieces, boost)

    @cached_property
    def words(self) -> WordModel | None:
        """The language model with them in its class; None where that is off or gives none anything."""
        ngram, options, bias = self.tools.ngram, self.tools.options, self.tools.bias
        if ngram is None or options.greedy or not (options.lm and bias.classes):
            return None
        members = [
            (tuple(spelling.split()), weight)
            for entry in self.spelled
            if (weight := 1.0 if entry.boost is None else entry.boost / bias.boost.budget) > 0
            for spelling in entry.spellings
        ]
        unigram = replace(bias.unigram, most=self._decoder_share * bias.unigram.most)
        if not unigram.most_among(len(members)):
            return None
        return ClassModel(ngram, members, options.word_weights, unigram)

    @cached_property
    def finder(self) -> PhraseFinder:
        """What finds them among words."""
        return PhraseFinder(self.spelled)

    @cached_property
    def book(self) -> PhoneBook:
        """How they are said."""
        return PhoneBook(self.tools.ways, self.phrases)

    @cached_property
    def spotter(self) -> Spotter:
        """What finds them in the sub-words alone."""
        return Spotter(self.spelled, self.tools.encode, self.tools.bias.spotter)

    @property
    def gated(self) -> bool:
        """Whether only what may have been said is searched for."""
        return self.tools.bias.gate and not self.tools.options.greedy

    @cached_property
    def gate(self) -> Gate:
        """What tells which of them may have been said."""
        bias = self.tools.bias
        spotter = Spotter(self.spelled, self.tools.encode, replace(bias.spotter, least_letters=1))
        return Gate(spotter, [self.book.ways_of(entry) for entry in self.spelled], bias.gating)

    @cached_property
    def index(self) -> LookupIndex:
        """What finds them by their phones."""
        return LookupIndex(self.phrases, self.book, self.tools.bias.pronunciation)


def _boosted(entry: Entry, share: float) -> Entry:
    """The entry with a part of its own boost, if it has one; what discourages it stays whole."""
    boost = entry.boost
    return entry if boost is None or boost < 0 or share == 1.0 else replace(entry, boost=share * boost)


def _respelled(entry: Entry, pronouncer: Pronouncer) -> Entry:
    """The entry with what its given phones look like in letters, which is what the sub-words may hear."""
    written = [word for phones in entry.pronunciations for word, _ in pronouncer.spell(phones, RESPELLINGS)]
    new = dict.fromkeys(word for word in written if word not in entry.spellings)
    return replace(entry, spellings=(*entry.spellings, *new)) if new else entry

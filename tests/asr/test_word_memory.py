"""Words scored by the compiled search are worth, to the last bit, what their scorer says of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

import asr.word_memory
from asr.scorer import ScorerError, ScorerMemory, Surroundings
from asr.search import BeamSearch, Hypothesis, SearchOptions
from asr.word_memory import WordMemory
from lm.classes import ClassOptions, ClassScorer
from lm.ngram import LMOptions, NGram, TokenScorer, WordScorer

WORDS = ["a", "an", "and", "ann", "anna", "banana", "band", "bad", "bäd", "dad", "nab", "nana", "näb"]
PIECES = ["", "▁", "▁a", "▁b", "▁an", "▁na", "a", "b", "d", "n", "ä", "an", "na", "nd"]
RULE = LMOptions(weight=0.6, word_bonus=0.4, unk_penalty=-3.0)
LISTS = {
    "words": [(("ann",), 1.0), (("dad",), 2.5), (("dann",), 0.5), (("anna",), 0.7)],
    "phrases": [(("banana", "band"), 1.0), (("banana",), 0.5), (("a", "bad", "dad"), 2.0), (("nä",), 1.0)],
    "nothing": [],
}


@pytest.fixture(scope="module")
def ngram(tmp_path_factory):
    """A bigram model with random scores."""
    generator = random.Random(2)
    pairs = [(one, two) for one in ["<s>", *WORDS] for two in generator.sample([*WORDS, "</s>"], 4)]
    lines = ["\\data\\", f"ngram 1={len(WORDS) + 3}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    for word in ["<unk>", "<s>", "</s>", *WORDS]:
        nats = {"<s>": -99.0, "<unk>": -4.0}.get(word, generator.uniform(-2.5, -1.0))
        lines.append(f"{nats:.4f}\t{word}\t{0.0 if word == '</s>' else generator.uniform(-0.7, 0.0):.4f}")
    lines += ["", "\\2-grams:", *(f"{generator.uniform(-1.2, -0.2):.4f}\t{a} {b}" for a, b in pairs)]
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return NGram(path)


class Hidden:
    """The same scorer, of which the search does not know that it is one of words."""

    def __init__(self, scorer: TokenScorer) -> None:
        self.start, self.step, self.finish = scorer.start, scorer.step, scorer.finish


def scorers(ngram: NGram) -> list[TokenScorer]:
    options = ClassOptions(offset=4.0, contrast=0.5, most=5.0)
    return [
        WordScorer(ngram, PIECES, RULE),
        *(ClassScorer(ngram, PIECES, members, RULE, options) for members in LISTS.values()),
    ]


def utterance(seed: int, frames: int = 30) -> np.ndarray:
    logits = 3.0 * np.random.default_rng(seed).normal(size=(frames, len(PIECES)))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def decoded(search: BeamSearch, seeds: Sequence[int], **where: object) -> list[list[Hypothesis]]:
    return [search.decode(utterance(seed), **where) for seed in seeds]


@pytest.mark.parametrize("beam", [1, 4, 32])
def test_a_search_finds_what_it_finds_when_it_asks_for_every_step(ngram, beam):
    for scorer in scorers(ngram):
        options = SearchOptions(beam=beam)
        ours, expected = BeamSearch(options, (scorer,)), BeamSearch(options, (Hidden(scorer),))
        assert isinstance(ours._memory, WordMemory)
        assert isinstance(expected._memory, ScorerMemory)
        assert decoded(ours, range(8)) == decoded(expected, range(8))


def test_memory_that_grows_or_is_forgotten_changes_nothing(ngram, monkeypatch):
    for scorer in scorers(ngram):
        expected = decoded(BeamSearch(SearchOptions(), (scorer,)), range(6))
        with monkeypatch.context() as small:
            small.setattr(asr.word_memory, "FIRST_NODES", 2)
            small.setattr(asr.word_memory, "FIRST_CONTEXTS", 1)
            grown = BeamSearch(SearchOptions(), (scorer,))
            assert decoded(grown, range(6)) == expected
            assert len(grown._memory.words.letters.parent) > 8
            small.setattr(asr.word_memory, "MOST_NODES", 4)
            assert decoded(BeamSearch(SearchOptions(), (scorer,)), range(6)) == expected


def test_streams_that_share_a_memory_do_not_disturb_each_other(ngram, monkeypatch):
    monkeypatch.setattr(asr.word_memory, "FIRST_NODES", 2)
    for scorer in scorers(ngram):
        search = BeamSearch(SearchOptions(beam=6), (scorer,))
        streams = [search.stream() for _ in range(3)]
        for first in range(0, 30, 7):
            for seed, stream in enumerate(streams):
                stream.push(utterance(seed)[first : first + 7])
        assert [one.finish() for one in streams] == decoded(search, range(3))


@pytest.mark.parametrize("ends", [True, False])
def test_a_part_of_an_utterance_is_scored_as_what_follows_the_words_before(ngram, ends):
    scorer = WordScorer(ngram, PIECES, RULE)
    before = ["banana", "band", "nab"]
    around = Surroundings(scorer.after(before), scorer.finish if ends else scorer.close)
    search = BeamSearch(SearchOptions(), (scorer,))
    hidden = BeamSearch(SearchOptions(), (Hidden(scorer),))
    for seed in range(5):
        found = search.decode(utterance(seed), around=around)
        assert found == hidden.decode(utterance(seed), around=around)
        for one in found:
            words = scorer.words(one.tokens)
            known = [word if word in ngram else "<unk>" for word in words]
            nats = ngram.score([*before, *known], ends) - ngram.score(before, sentence_end=False)
            strange = sum(word not in ngram for word in words)
            expected = RULE.weight * (nats + strange * RULE.unk_penalty) + RULE.word_bonus * len(words)
            assert one.lm == pytest.approx(expected, abs=1e-4)


def test_a_part_without_frames_is_worth_its_end(ngram):
    scorer = WordScorer(ngram, PIECES, RULE)
    search = BeamSearch(SearchOptions(), (scorer,))
    around = Surroundings(scorer.after(["band"]), scorer.finish)
    [found] = search.decode(np.zeros((0, len(PIECES)), np.float32), around=around)
    assert found.lm == scorer.finish(scorer.after(["band"]))


def test_scores_that_cannot_be_added_are_refused(ngram):
    class Broken(WordScorer):
        def settled(self, state):
            return super().settled(state)[0], float("nan")

    with pytest.raises(ScorerError, match="below infinity"):
        decoded(BeamSearch(SearchOptions(), (Broken(ngram, PIECES, RULE),)), range(3))

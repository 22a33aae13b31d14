"""Laws of word-wise scorers: taken apart into moves and ends of words they say what they say step by step."""

from __future__ import annotations

import random
from collections.abc import Hashable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from asr.scorer import ScorerError, ScorerMemory, WordwiseScorer
from asr.search import BeamSearch, SearchOptions
from lm.classes import ClassModel, ClassOptions
from lm.estimate import EstimateOptions, train
from lm.ngram import LMOptions, NGram, TokenScorer, WeightedNGram, WordModel
from lm.vocabulary import SPELLING_BASE, beginnings, spelling_hash

PIECES = ["", "▁", "▁a", "▁b", "a", "b", "'", "▁ab", "c", "▁c"]
WORDS = ["a", "b", "ab", "ba", "abb", "b'a", "aa", "bb", "aab"]
OPTIONS = LMOptions(weight=0.7, word_bonus=0.3, unk_penalty=-4.0)
MEMBERS = [(("ca",), 1.0), (("ab", "ca"), 1.0), (("ab", "cab", "a"), 0.5), (("bb",), 2.0)]


@pytest.fixture(scope="module")
def ngram(tmp_path_factory: pytest.TempPathFactory) -> NGram:
    folder, rng = tmp_path_factory.mktemp("lm"), random.Random(3)
    sentences = (rng.choices(WORDS[:6], [6, 5, 4, 3, 2, 1], k=rng.randint(1, 9)) for _ in range(400))
    (folder / "text.txt").write_text("\n".join(" ".join(words) for words in sentences))
    options = EstimateOptions(order=3, min_word_count=1, prune=(0, 0, 1))
    train([folder / "text.txt"], folder / "lm.bin", options)
    return NGram(folder / "lm.bin")


@pytest.fixture(params=["words", "class", "no members"])
def model(request: pytest.FixtureRequest, ngram: NGram) -> WordModel:
    if request.param == "words":
        return WeightedNGram(ngram, OPTIONS)
    members = MEMBERS if request.param == "class" else []
    return ClassModel(ngram, members, OPTIONS, ClassOptions(offset=2.0, most=4.0))


class StepByStep:
    """A scorer that can only be asked step by step."""

    def __init__(self, scorer: TokenScorer) -> None:
        self._scorer = scorer

    def start(self) -> Hashable:
        return self._scorer.start()

    def step(self, state: Any, token: int) -> tuple[Hashable, float]:
        return self._scorer.step(state, token)

    def finish(self, state: Any) -> float:
        return self._scorer.finish(state)


def random_log_probs(seed: int, frames: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 2.5, (frames, len(PIECES)))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def test_moves_and_ends_say_to_the_bit_what_steps_say(model: WordModel) -> None:
    scorer, rng = TokenScorer(model, PIECES), random.Random(1)
    for _ in range(300):
        whole, (outer, inner) = scorer.start(), scorer.begin()
        for token in rng.choices(range(1, len(PIECES)), k=rng.randint(0, 12)):
            settled = 0.0
            if scorer.begins[token]:
                outer, inner, settled = scorer.complete(outer, inner)
            inner, nats = scorer.move(inner, token)
            whole, expected = scorer.step(whole, token)
            assert settled + nats == expected
        assert scorer.close(outer, inner) == scorer.finish(whole)


@pytest.mark.parametrize("seed", range(12))
def test_a_search_hears_the_same_step_by_step(model: WordModel, seed: int) -> None:
    """All hypotheses with all their scores, also with what an earlier utterance left in the memory."""
    scorer = TokenScorer(model, PIECES)
    assert isinstance(scorer, WordwiseScorer)
    assert not isinstance(StepByStep(scorer), WordwiseScorer)
    options = SearchOptions(beam=8, token_gap=20.0, beam_gap=30.0, n_best=8)
    wordwise = BeamSearch(options, (scorer,))
    for part in range(3):
        log_probs = random_log_probs(10 * seed + part, 25)
        expected = BeamSearch(options, (StepByStep(scorer),)).decode(log_probs)
        assert wordwise.decode(log_probs) == expected


def test_little_is_asked(ngram: NGram) -> None:
    """Moves that lead to no word are known without asking, all but those within folded letters."""
    scorer = TokenScorer(WeightedNGram(ngram, OPTIONS), PIECES)
    asked, move = [], scorer.move

    def listen(inner: Any, token: int) -> tuple[Any, float]:
        asked.append((inner, token))
        return move(inner, token)

    scorer.move = listen  # type: ignore[method-assign]
    search = BeamSearch(SearchOptions(beam=8, token_gap=20.0, beam_gap=30.0), (scorer,))
    for seed in range(20):
        search.decode(random_log_probs(seed, 25))
    assert asked
    assert len(set(asked)) == len(asked)
    known = {word[:end] for word in WORDS for end in range(len(word) + 1)}
    assert all((inner[1] or "") + PIECES[token].removeprefix("▁") in known for inner, token in asked)


def test_hashes_of_letters_go_on_with_what_follows() -> None:
    rng = random.Random(2)
    words = ["".join(rng.choices("abcé'\U0001f600", k=rng.randint(1, 9))) for _ in range(50)]
    expected = {spelling_hash(word[:end]) for word in words for end in range(len(word) + 1)}
    assert set(beginnings(words).tolist()) == expected
    assert set(beginnings([]).tolist()) == {spelling_hash("")}
    for one, other in pairwise(words):
        following = spelling_hash(one) * SPELLING_BASE ** len(other) + spelling_hash(other)
        assert (following - spelling_hash(one + other)) % (1 << 64) == 0


def test_a_memory_without_scorer_adds_nothing() -> None:
    memory = ScorerMemory(None)
    assert not memory.scored
    assert memory.finish(0, 0) == 0.0
    assert not memory.begins(5).any()
    assert not memory.full


def test_a_scorer_of_fewer_tokens_is_refused(ngram: NGram) -> None:
    scorer = TokenScorer(WeightedNGram(ngram, OPTIONS), PIECES[:-1])
    with pytest.raises(ScorerError, match="knows 9 tokens and the log-probs have 10; make it with"):
        BeamSearch(None, (scorer,)).decode(random_log_probs(0, 3))

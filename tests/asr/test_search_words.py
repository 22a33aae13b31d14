"""The search with a word n-gram model: it agrees with pyctcdecode, and scores and times recompose."""

from __future__ import annotations

import logging
import math
import random
from pathlib import Path

import numpy as np
import pyctcdecode
import pytest

from asr.search import BeamSearch, Hypothesis, SearchOptions, words_from_tokens
from lm.ngram import LMOptions, NGram, WordScorer

TEXT = "a an and answer answers he her here hers new news newer york works worked the then there"
WORDS = TEXT.split()
PIECES = ["", "▁a", "▁an", "▁and", "▁he", "▁the", "▁ne", "▁y", "▁w", "▁new", "▁work"]
PIECES += ["n", "d", "r", "s", "w", "er", "re", "ork", "e", "ed", "sw"]
WEIGHT, WORD_BONUS = 0.5, 1.5


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram model with random scores; each word likes four others."""
    generator = random.Random(8)
    unigrams = ["<unk>", "<s>", "</s>", *WORDS]
    bigrams = [(one, two) for one in ["<s>", *WORDS] for two in generator.sample([*WORDS, "</s>"], 4)]
    lines = ["\\data\\", f"ngram 1={len(unigrams)}", f"ngram 2={len(bigrams)}", "", "\\1-grams:"]
    for word in unigrams:
        nats = {"<s>": -99.0, "<unk>": -4.0}.get(word, generator.uniform(-2.5, -1.0))
        lines.append(f"{nats:.4f}\t{word}\t{0.0 if word == '</s>' else generator.uniform(-0.7, 0.0):.4f}")
    lines += ["", "\\2-grams:"]
    lines += [f"{generator.uniform(-1.2, -0.2):.4f}\t{one} {two}" for one, two in bigrams]
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


def spell(word: str, generator: random.Random) -> list[int]:
    """Cut a word into pieces, in one of the ways there are."""
    ways: list[list[int]] = []

    def extend(rest: str, so_far: list[int]) -> None:
        if not rest:
            ways.append(so_far)
        for number, piece in enumerate(PIECES):
            if piece and rest.startswith(piece):
                extend(rest[len(piece) :], [*so_far, number])

    extend("▁" + word, [])
    return generator.choice(ways)


def noisy(tokens: list[int], seed: int) -> np.ndarray:
    """Log-probs with a spike a token; rivals come so near that every fifth spike is doubtful."""
    generator = np.random.default_rng(seed)
    rows = []
    for token in tokens:
        for _ in range(int(generator.integers(1, 4))):
            rows.append(generator.normal(-10.0, 1.5, len(PIECES)))
            rows[-1][0] = 0.0
        rows.append(generator.normal(-8.0, 1.5, len(PIECES)))
        rows[-1][0] = -3.0
        rows[-1][generator.integers(1, len(PIECES), 2)] = -generator.exponential(2.5, 2)
        rows[-1][token] = 0.0
    logits = np.array(rows)
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def as_text(hypothesis: Hypothesis) -> str:
    return "".join(PIECES[token] for token in hypothesis.tokens).replace("▁", " ").strip()


def sentences(count: int) -> list[list[int]]:
    generator = random.Random(1)
    return [
        [token for word in generator.choices(WORDS, k=6) for token in spell(word, generator)]
        for _ in range(count)
    ]


@pytest.mark.parametrize("beam", [8, 16, 64])
def test_agrees_with_pyctcdecode(arpa: Path, beam: int) -> None:
    """The same text as pyctcdecode at the same beam and LM, but for one sentence in twenty.

    They may differ where prefixes are pruned or merged. pyctcdecode keeps a prefix ending in blank and ending
    in a token as two places of the beam, merges by text (two spellings of a word add up; here each has its
    own prefix), and drops tokens by absolute log-probability, not relative to the frame's best. Unfinished
    words cost it nothing until they can be no known word; here they cost the best word they may become.
    """
    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)
    weights = {"alpha": WEIGHT, "beta": WORD_BONUS, "unk_score_offset": -10.0}
    peer = pyctcdecode.build_ctcdecoder(PIECES, str(arpa), WORDS, **weights)
    scorer = WordScorer(NGram(arpa), PIECES, LMOptions(WEIGHT, WORD_BONUS, unk_penalty=-10.0 * math.log(10)))
    search = BeamSearch(SearchOptions(beam=beam), (scorer,))
    plain = BeamSearch(SearchOptions(beam=beam))
    agreed = changed = 0
    for seed, tokens in enumerate(sentences(60)):
        log_probs = noisy(tokens, seed)
        ours = as_text(search.decode(log_probs)[0])
        agreed += ours == peer.decode(log_probs, beam_width=beam)
        changed += ours != as_text(plain.decode(log_probs)[0])
    assert agreed >= 57
    assert changed >= 10  # the model has something to say


def test_lm_score_is_that_of_the_sentence(arpa: Path) -> None:
    """What the steps added is weight · ln P(words) + bonus · words, asked of the model for the whole text."""
    ngram = NGram(arpa)
    search = BeamSearch(
        SearchOptions(), (WordScorer(ngram, PIECES, LMOptions(WEIGHT, WORD_BONUS, unk_penalty=0.0)),)
    )
    for seed, tokens in enumerate(sentences(10)):
        for hypothesis in search.decode(noisy(tokens, seed)):
            words = as_text(hypothesis).split()
            expected = WEIGHT * ngram.score(words) + WORD_BONUS * len(words)
            assert hypothesis.lm == pytest.approx(expected, abs=1e-4)


def test_words_have_the_times_of_their_spikes(arpa: Path) -> None:
    """Each word starts and ends where its pieces were put, and is as sure as the input."""
    scorer = WordScorer(NGram(arpa), PIECES, LMOptions(WEIGHT, WORD_BONUS))
    path = [0, 0, PIECES.index("▁new"), 0, PIECES.index("▁y"), PIECES.index("ork"), PIECES.index("ork"), 0]
    log_probs = np.full((len(path), len(PIECES)), math.log(0.04 / (len(PIECES) - 1)), dtype=np.float32)
    log_probs[np.arange(len(path)), path] = math.log(0.96)
    words = words_from_tokens(BeamSearch(None, (scorer,)).decode(log_probs)[0], PIECES, 0.04)
    assert [word.text for word in words] == ["new", "york"]
    assert [(round(word.start, 3), round(word.end, 3)) for word in words] == [(0.08, 0.12), (0.16, 0.28)]
    assert all(word.confidence == pytest.approx(0.96, abs=1e-4) for word in words)

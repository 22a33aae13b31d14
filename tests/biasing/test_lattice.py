"""Laws of the lattice: it equals brute force over all paths, and choices of pronunciations are a maximum."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from biasing.lattice import Ways, best_path, best_total


def random_log_probs(seed: int, frames: int, vocabulary: int) -> np.ndarray:
    logits = 2.0 * np.random.default_rng(seed).normal(size=(frames, vocabulary))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def ways_of(words: list[list[tuple[int, ...]]]) -> Ways:
    flat = [way for ways in words for way in ways]
    columns = [sum(flat, ()), [len(way) for way in flat], [len(ways) for ways in words]]
    return Ways(*(np.array(column, dtype=np.int64) for column in columns))


def best_of_all_paths(log_probs: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:
    """The best path of every text that fits into the frames."""
    frames, vocabulary = log_probs.shape
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(vocabulary), repeat=frames):
        text = tuple(token for token, _ in itertools.groupby(path) if token != blank)
        best[text] = max(
            best.get(text, -math.inf), float(log_probs[np.arange(frames), path].sum(dtype=float))
        )
    return best


def random_words(generator: np.random.Generator, vocabulary: int) -> list[list[tuple[int, ...]]]:
    """Up to three words of up to three ways of up to two tokens (never 0), often the same ones."""
    return [
        [
            tuple(generator.integers(1, vocabulary, size=generator.integers(1, 3)).tolist())
            for _ in range(generator.integers(1, 4))
        ]
        for _ in range(generator.integers(0, 4))
    ]


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_best_of_all_paths_and_of_all_ways(seed: int) -> None:
    generator = np.random.default_rng(seed)
    vocabulary = 2 + seed % 3
    log_probs = random_log_probs(seed, 1 + seed, vocabulary)
    best = best_of_all_paths(log_probs, 0)
    for _ in range(40):
        words = random_words(generator, vocabulary)
        ways = ways_of(words)
        total, path = best_path(log_probs, ways, 0)
        expected = max(best.get(sum(chosen, ()), -math.inf) for chosen in itertools.product(*words))
        assert total == pytest.approx(expected, abs=1e-5)
        assert best_total(log_probs, ways, 0) == total
        assert len(path) == (0 if total == -math.inf else len(log_probs))


@pytest.mark.parametrize("seed", range(6))
def test_the_path_says_one_way_of_each_word_and_has_the_score(seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = [*random_words(generator, 5), [(1, 1), (2,)], [(2, 3), (1,)]]
    ways = ways_of(words)
    log_probs = random_log_probs(seed, 30, 5)
    total, path = best_path(log_probs, ways, 0)
    assert best_total(log_probs, ways, 0) == total
    labels = np.where(path < 0, 0, ways.tokens[path])
    assert log_probs[np.arange(30), labels].sum(dtype=float) == pytest.approx(total)
    spoken = path[path >= 0]
    assert (np.diff(spoken) >= 0).all()
    places = list(dict.fromkeys(spoken.tolist()))
    number = 0
    chosen = []
    for ways_of_word in words:
        ranges = []
        for way in ways_of_word:
            ranges.append(range(number, number + len(way)))
            number += len(way)
        chosen.append([way for way in ranges if set(way) & set(places)])
    assert all(len(one) == 1 for one in chosen)
    assert places == [place for one in chosen for place in one[0]]
    said = tuple(label for label, _ in itertools.groupby(labels.tolist()) if label)
    assert said == tuple(ways.tokens[places].tolist())


def test_the_order_of_the_ways_has_no_say() -> None:
    for seed in range(5):
        generator = np.random.default_rng(seed)
        words = [ways for ways in random_words(generator, 6) if ways]
        log_probs = random_log_probs(seed, 20, 6)
        backwards = [ways[::-1] for ways in words]
        assert best_path(log_probs, ways_of(words), 0)[0] == best_path(log_probs, ways_of(backwards), 0)[0]


def test_nothing_to_say_and_nothing_heard() -> None:
    log_probs = random_log_probs(0, 4, 3)
    total, path = best_path(log_probs, ways_of([]), 0)
    assert total == pytest.approx(log_probs[:, 0].sum(dtype=float))
    assert path.tolist() == [-1] * 4
    assert best_path(log_probs[:0], ways_of([]), 0)[0] == best_total(log_probs[:0], ways_of([]), 0) == 0.0
    assert best_path(log_probs[:0], ways_of([[(1,)]]), 0)[0] == -math.inf
    assert best_total(log_probs[:0], ways_of([[(1,)]]), 0) == -math.inf
    assert best_path(log_probs[:1], ways_of([[(1,), (2,)]]), 0)[1].tolist() in ([0], [1])
    assert best_path(log_probs[:2], ways_of([[(1, 1), (2, 2)]]), 0)[0] == -math.inf


def test_ways_do_not_multiply_the_work() -> None:
    """Forty words of eight ways have more combinations than could ever be tried."""
    generator = np.random.default_rng(0)
    words = [[tuple(generator.integers(1, 40, size=4).tolist()) for _ in range(8)] for _ in range(40)]
    log_probs = random_log_probs(0, 300, 40)
    total, path = best_path(log_probs, ways_of(words), 0)
    first_ways = best_path(log_probs, ways_of([ways[:1] for ways in words]), 0)[0]
    assert math.isfinite(total)
    assert total >= first_ways
    assert len(path) == 300

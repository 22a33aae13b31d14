"""The paths of phrases: the best of all that there are, walked one by one."""

import numpy as np
import pytest

from biasing.adapter_paths import phrase_paths

FLOOR = -50.0


def walks(tokens, frames, begun=()):
    """All ways to say a phrase in so many frames: places of tokens, and the same and a half for blanks."""
    if frames == 0:
        if begun and begun[-1] == len(tokens) - 1:
            yield begun
        return
    if not begun:
        yield from walks(tokens, frames - 1, (0,))
        return
    old = begun[-1]
    steps = {old, old + 0.5}
    if old % 1 == 0 and old + 1 < len(tokens) and tokens[old] != tokens[old + 1]:
        steps.add(old + 1)
    for step in steps:
        if step <= len(tokens) - 1:
            yield from walks(tokens, frames - 1, (*begun, int(step) if step % 1 == 0 else step))


def best_paths(scores, tokens):
    """Of each row in each frame the best way through it, `FLOOR` where there is none."""
    frames, count = len(scores), len(tokens)
    best = np.full((frames, count + 1), FLOOR)
    for length in range(1, frames + 1):
        for walk in walks(tokens, length):
            rows = [place if place % 1 == 0 else count for place in walk]
            for first in range(frames - length + 1):
                costs = [scores[first + n, 0 if row == count else tokens[row]] for n, row in enumerate(rows)]
                for n, row in enumerate(rows):
                    best[first + n, row] = max(best[first + n, row], sum(costs))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_paths_are_the_best_of_all_there_are(seed):
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(1, 8))
    scores = -2 * rng.random((frames, 4)).astype(np.float32)
    phrases = [rng.integers(1, 4, rng.integers(1, 5)) for _ in range(4)]
    lengths = np.array([len(one) for one in phrases])
    found = phrase_paths(scores, np.concatenate(phrases), lengths, FLOOR)
    wanted = np.concatenate([best_paths(scores, one.tolist()) for one in phrases], axis=1)
    assert found.shape == (frames, lengths.sum() + len(phrases))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_no_path_counts_less_than_the_floor():
    scores = np.full((9, 3), -20.0, np.float32)
    assert phrase_paths(scores, np.array([1, 2, 1]), np.array([3]), FLOOR).min() == FLOOR


def test_no_frames_have_no_paths():
    found = phrase_paths(np.zeros((0, 3), np.float32), np.array([1, 2]), np.array([2]), FLOOR)
    assert found.shape == (0, 3)

"""The compiled beam search through a joint model of spelling and sound; `biasing.g2p` and `g2g` call it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled, compiled_part
from biasing.graphones import ROOT, NGramArrays, Side
from lm.counts import BOS, EOS

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


class Layers(NamedTuple):
    """The hypotheses kept in each layer of a search, `beam` rows a layer, and how each came to be.

    Layer (i, r) holds those that have used up i symbols of the source and then r graphones without any.
    """

    score: Float64
    state: Int32
    output: Int64  # hash of what was written so far: equal outputs are one hypothesis
    came_from: Int32
    graphone: Int32


@compiled_part
def _find(model: NGramArrays, node: int, graphone: int) -> int:
    """The child of `node` by `graphone`, or -1."""
    low, high = model.first[node], model.first[node + 1]
    if node == ROOT:
        return int(low) + graphone
    while low < high:
        middle = (low + high) // 2
        if model.graphone[middle] < graphone:
            low = middle + 1
        else:
            high = middle
    found = low < model.first[node + 1] and model.graphone[low] == graphone
    return int(low) if found else -1


@compiled_part
def _score(model: NGramArrays, node: int, graphone: int) -> tuple[float, int]:
    """ln P(graphone | node), and the node after it."""
    total = 0.0
    while True:
        child = _find(model, node, graphone)
        if child >= 0:
            return total + model.log_prob[child], model.state[child]
        total += model.backoff[node]
        node = model.suffix[node]


@compiled_part
def _longer(output: int, graphone: int, target: Side) -> int:
    """The hash of an output with the target side of one more graphone."""
    for place in range(target.length[graphone]):
        output = output * 1000003 + target.symbols[graphone, place] + 1
    return output


@compiled_part
def _settle(pool: Layers, size: int, kept: Layers, layer: int, beam: int, reach: float) -> int:
    """Put the best of the pool into a layer, equal ones as one with the sum of both; return how many."""
    best_first = np.argsort(-pool.score[:size])
    begin, count = layer * beam, 0
    for row in best_first:
        if pool.score[row] < pool.score[best_first[0]] - reach:
            break
        same = -1
        for place in range(begin, begin + count):
            if kept.state[place] == pool.state[row] and kept.output[place] == pool.output[row]:
                same = place
                break
        if same >= 0:
            kept.score[same] += np.log1p(np.exp(pool.score[row] - kept.score[same]))
        elif count == beam:
            break
        else:
            place = begin + count
            kept.score[place] = pool.score[row]
            kept.state[place] = pool.state[row]
            kept.output[place] = pool.output[row]
            kept.came_from[place] = pool.came_from[row]
            kept.graphone[place] = pool.graphone[row]
            count += 1
    return count


@compiled_part
def _room(rows: int) -> Layers:
    return Layers(
        np.zeros(rows),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.int32),
    )


class Limits(NamedTuple):
    """How widely is searched; see `biasing.g2p.SearchOptions`."""

    beam: int
    reach: float
    silent: int


@compiled_part
def _expand(
    model: NGramArrays,
    sides: tuple[Side, Side],
    kept: Layers,
    rows: tuple[int, int],
    chunk: int,
    pool: Layers,
    room: tuple[int, float, float],
) -> tuple[int, float, float]:
    """Add to the pool what becomes of some hypotheses by each graphone with `chunk` on the source side.

    `room` is how many the pool holds, the score of the best of them, and how much worse others may be; the
    same comes back. The rows are in falling order, so that one that is too bad ends them.
    """
    source, target = sides
    size, best, reach = room
    for row in range(rows[0], rows[1]):
        if kept.score[row] < best - reach:
            break
        for place in range(source.at[chunk], source.at[chunk + 1]):
            graphone = source.graphones[place]
            added, state = _score(model, kept.state[row], graphone)
            score = kept.score[row] + added
            if score < best - reach:
                continue
            best = max(best, score)
            pool.score[size] = score
            pool.state[size] = state
            pool.output[size] = _longer(kept.output[row], graphone, target)
            pool.came_from[size] = row
            pool.graphone[size] = graphone
            size += 1
    return size, best, reach


@compiled
def search(
    model: NGramArrays, sides: tuple[Side, Side], symbols: Int32, kinds: int, limits: Limits
) -> tuple[Float64, list[Int32]]:
    """The most probable graphone sequences whose source side is `symbols`, with their joint ln P, best first.

    Args:
        model: the n-grams.
        sides: source and target.
        symbols: (n,) source symbols, letters or phones.
        kinds: how many different symbols the source has.
        limits: how widely is searched; `silent` is how many graphones without a source symbol may follow
            each other.

    Returns:
        (m,) scores, and the graphones of each; no two have the same output.
    """
    n, rounds, beam = len(symbols), limits.silent + 1, limits.beam
    kept = _room(((n + 1) * rounds + 1) * beam)  # one layer more for whole words
    count = np.zeros((n + 1) * rounds, np.int64)
    most = np.max(sides[0].at[1:] - sides[0].at[:-1])
    pool = _room(2 * rounds * beam * most)  # what a layer grows from: all chunks that end at a symbol
    kept.state[0] = model.state[_find(model, ROOT, BOS)]
    kept.came_from[0] = -1
    count[0] = 1
    for layer in range((n + 1) * rounds):
        i, r = divmod(layer, rounds)
        room = (0, -np.inf, limits.reach)
        if r > 0:
            rows = ((layer - 1) * beam, (layer - 1) * beam + count[layer - 1])
            room = _expand(model, sides, kept, rows, 0, pool, room)
        for back in range(1, min(i, 2) + 1):
            chunk = 1 + symbols[i - 1]
            if back == 2:
                chunk = 1 + kinds + symbols[i - 2] * kinds + symbols[i - 1]
            for before in range((i - back) * rounds, (i - back + 1) * rounds if r == 0 else 0):
                rows = (before * beam, before * beam + count[before])
                room = _expand(model, sides, kept, rows, chunk, pool, room)
        if room[0] > 0:
            count[layer] = _settle(pool, room[0], kept, layer, beam, limits.reach)
    size = 0
    for row in range(n * rounds * beam, (n + 1) * rounds * beam):
        if row % beam < count[row // beam]:
            added, _ = _score(model, kept.state[row], EOS)
            pool.score[size] = kept.score[row] + added
            pool.state[size] = ROOT  # after the end all are alike
            pool.output[size] = kept.output[row]
            pool.came_from[size] = row
            size += 1
    found = _settle(pool, size, kept, (n + 1) * rounds, beam, np.inf) if size > 0 else 0
    return _read_back(kept, (n + 1) * rounds * beam, found)


@compiled_part
def _read_back(kept: Layers, begin: int, count: int) -> tuple[Float64, list[Int32]]:
    """Scores and graphones of the hypotheses in the last layer, best first."""
    best_first = np.argsort(-kept.score[begin : begin + count])
    paths = []
    for end in begin + best_first:
        length, row = 0, kept.came_from[end]
        while kept.came_from[row] >= 0:
            length, row = length + 1, kept.came_from[row]
        path = np.zeros(length, np.int32)
        row = kept.came_from[end]
        for back in range(length - 1, -1, -1):
            path[back] = kept.graphone[row]
            row = kept.came_from[row]
        paths.append(path)
    return kept.score[begin + best_first], paths

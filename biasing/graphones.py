"""The joint model of spelling and sound: an n-gram model over pairs of letters and phones, as arrays.

A word and its pronunciation are one sequence of "graphones", pairs of a few letters and a few phones that
follow each other with the probabilities of a backoff n-gram model (Bisani & Ney 2008, "Joint-sequence models
for grapheme-to-phoneme conversion"). The same arrays are walked from letters to phones and back.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biasing.compiled import compiled
from biasing.phone_set import PHONES
from lm.counts import SPECIAL_WORDS
from lm.files import replacing
from lm.kneser_ney import BackoffModel
from lm.quantise import make_bins, nearest_bin

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
LONGEST_CHUNK = 2
ROOT = 0

Int32 = NDArray[np.int32]
Singles = NDArray[np.float32]
Graphone = tuple[str, tuple[str, ...]]

_NATS = math.log(10.0)


class GraphoneError(ValueError):
    """A model file that cannot be used; the message says what is needed."""


class NGramArrays(NamedTuple):
    """A backoff model of N n-grams as a tree: node 0 is empty, a child is one graphone longer.

    The children of node n are the nodes first[n] to first[n + 1] - 1, sorted by graphone; those of the root
    are all graphones in their order.
    """

    graphone: Int32  # (N,) the last graphone of a node
    first: Int32  # (N + 1,)
    log_prob: Singles  # (N,) ln P of the last graphone after the others
    backoff: Singles  # (N,) ln weight of the shorter context
    suffix: Int32  # (N,) the node without its first graphone
    state: Int32  # (N,) the longest suffix of a node, itself included, that has children


class Side(NamedTuple):
    """One side of all G graphones, letters or phones, as numbers, and the graphones by what is on it.

    Those with chunk c are graphones[at[c]:at[c + 1]]; `chunk_number` numbers the chunks.
    """

    symbols: Int32  # (G, LONGEST_CHUNK)
    length: Int32  # (G,)
    at: Int32  # (chunks + 1,)
    graphones: Int32


@dataclass(frozen=True, eq=False)
class GraphoneModel:
    """Everything a search needs, both ways.

    Attributes:
        graphones: (letters, phones) of each graphone; the first three are the marks of `lm.counts`.
        ngrams: how they follow each other.
        letters, phones: the two sides.
    """

    graphones: tuple[Graphone, ...]
    ngrams: NGramArrays
    letters: Side
    phones: Side


def name_of(graphone: Graphone) -> str:
    """The graphone as one word of a text: "ph}F", "x}K_S", "h}"."""
    letters, phones = graphone
    return f"{letters}}}{'_'.join(phones)}"


def _graphone(name: str) -> Graphone:
    letters, _, phones = name.partition("}")
    return letters, tuple(phones.split("_")) if phones else ()


@dataclass(frozen=True)
class Packed:
    """A model as it is stored: small whole numbers.

    Attributes:
        names: `name_of` each graphone, after the marks.
        sizes: n-grams of each order.
        graphone: (N - 1,) the last graphone of each n-gram, by order, then context.
        children: (n-grams below the highest order,) how many n-grams extend each.
        prob: (N - 1,) bin of the log probability; `backoff`: (with children,) bin of the backoff weight.
        prob_bins, backoff_bins: (orders, bins) the centres, in nats.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    graphone: NDArray[np.uint16]
    children: NDArray[np.uint16]
    prob: NDArray[np.uint8]
    backoff: NDArray[np.uint8]
    prob_bins: Singles
    backoff_bins: Singles


def pack(model: BackoffModel, bins: int = 32) -> Packed:
    """Reduce a model over `name_of` graphones to `bins` (2 to 256) different weights an order."""
    children = [
        np.bincount(above.context, minlength=len(level.word))
        for level, above in zip(model.levels, model.levels[1:], strict=False)
    ]
    prob, prob_bins, backoff, backoff_bins = [], [], [], []
    for level, extended in zip(model.levels, [*children, np.zeros(0)], strict=True):
        values = (level.log10_prob * _NATS).astype(np.float32)
        prob_bins.append(make_bins(values, bins))
        prob.append(nearest_bin(values, prob_bins[-1]))
        if len(extended):
            weights = (level.log10_backoff[extended > 0] * _NATS).astype(np.float32)
            backoff_bins.append(make_bins(weights, bins))
            backoff.append(nearest_bin(weights, backoff_bins[-1]))
    return Packed(
        names=tuple(model.words[len(SPECIAL_WORDS) :]),
        sizes=tuple(model.counts),
        graphone=np.concatenate([level.word for level in model.levels]).astype(np.uint16),
        children=np.concatenate(children).astype(np.uint16),
        prob=np.concatenate(prob).astype(np.uint8),
        backoff=np.concatenate(backoff).astype(np.uint8),
        prob_bins=np.stack(prob_bins),
        backoff_bins=np.stack(backoff_bins),
    )


def write_model(packed: Packed, path: Path) -> None:
    """Write a model as compressed arrays, a NumPy .npz; equal models give equal files.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **{field.name: getattr(packed, field.name) for field in fields(Packed)})


def read_model(path: Path) -> GraphoneModel:
    """Load a model that `write_model` wrote.

    Raises:
        GraphoneError: no such file, or not such a model.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {field.name: arrays[field.name] for field in fields(Packed)}
            stored["names"], stored["sizes"] = stored["names"].tolist(), stored["sizes"].tolist()
            return unpack(Packed(**stored))
    except OSError as error:
        reason = error.strerror or "not a model"
        raise GraphoneError(f"{path}: cannot be read ({reason}); give a model of recipes/g2p") from error
    except (ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise GraphoneError(f"{path}: not a pronunciation model; give one of recipes/g2p") from error


def unpack(packed: Packed) -> GraphoneModel:
    """The arrays of a search; see `Packed`."""
    graphones = (*((mark, ()) for mark in SPECIAL_WORDS), *map(_graphone, packed.names))
    return GraphoneModel(
        graphones=graphones,
        ngrams=_tree(packed),
        letters=_side(
            [[LETTERS.index(one) for one in letters] for letters, _ in _real(graphones)], len(LETTERS)
        ),
        phones=_side([[PHONES.index(one) for one in phones] for _, phones in _real(graphones)], len(PHONES)),
    )


def _real(graphones: Sequence[Graphone]) -> Sequence[Graphone]:
    return graphones[len(SPECIAL_WORDS) :]


def _tree(packed: Packed) -> NGramArrays:
    sizes = np.array(packed.sizes)
    nodes = 1 + int(sizes.sum())
    children = np.zeros(nodes, np.int32)
    children[0] = sizes[0]
    children[1 : 1 + len(packed.children)] = packed.children
    first = np.ones(nodes + 1, np.int32)
    np.cumsum(children, out=first[1:])
    first[1:] += 1
    graphone = np.zeros(nodes, np.int32)
    graphone[1:] = packed.graphone
    order = np.repeat(np.arange(len(sizes)), sizes)
    log_prob = np.zeros(nodes, np.float32)
    log_prob[1:] = packed.prob_bins[order, packed.prob]
    backoff = np.zeros(nodes, np.float32)
    extended = 1 + np.flatnonzero(children[1:])
    backoff[extended] = packed.backoff_bins[order[extended - 1], packed.backoff]
    suffix, state = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    if not _link(graphone, first, suffix, state):
        raise GraphoneError("an n-gram whose end is no n-gram of the model")
    return NGramArrays(graphone, first, log_prob, backoff, suffix, state)


@compiled
def _link(graphone: Int32, first: Int32, suffix: Int32, state: Int32) -> bool:
    """Fill in suffixes and states, parents before children; False where a suffix is missing."""
    for node in range(len(graphone)):
        state[node] = node if first[node + 1] > first[node] else state[suffix[node]]
        shorter = suffix[node]
        place = first[shorter]
        for child in range(first[node], first[node + 1]):
            if node == ROOT:
                suffix[child] = ROOT
                continue
            while place < first[shorter + 1] and graphone[place] < graphone[child]:
                place += 1
            if place == first[shorter + 1] or graphone[place] != graphone[child]:
                return False
            suffix[child] = place
    return True


def chunk_number(symbols: Sequence[int], kinds: int) -> int:
    """The number of a chunk of up to two of `kinds` symbols: the empty one, then single ones, then pairs."""
    if not symbols:
        return 0
    return 1 + symbols[0] if len(symbols) == 1 else 1 + kinds + symbols[0] * kinds + symbols[1]


def _side(chunks: Sequence[Sequence[int]], kinds: int) -> Side:
    marks = len(SPECIAL_WORDS)
    symbols = np.zeros((marks + len(chunks), LONGEST_CHUNK), np.int32)
    for number, chunk in enumerate(chunks, start=marks):
        symbols[number, : len(chunk)] = chunk
    numbers = np.array([chunk_number(chunk, kinds) for chunk in chunks], np.int64)
    at = np.searchsorted(np.sort(numbers), np.arange(2 + kinds + kinds * kinds))
    graphones = marks + np.argsort(numbers, kind="stable")
    length = np.array([*[0] * marks, *map(len, chunks)], np.int32)
    return Side(symbols, length, at.astype(np.int32), graphones.astype(np.int32))

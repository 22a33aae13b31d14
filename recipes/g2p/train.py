"""Trains the shipped pronunciation model on CMUdict, and writes it.

python -m recipes.g2p.train [DATA] [OUT]      DATA holds lexicon/cmudict.dict, ../shared/data by default
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from biasing.g2p import MODEL_FILE
from biasing.graphones import Packed, name_of, pack, write_model
from biasing.lexicon import Lexicon, read_lexicon
from lm.counts import encode as encode_text
from lm.estimate import EstimateOptions, estimate
from recipes.g2p.align import SHAPES, Pair, best_cuts, encode, learn

LEXICON = "lexicon/cmudict.dict"
_WORD = re.compile(r"[a-z']*[a-z][a-z']*")


@dataclass(frozen=True)
class TrainOptions:
    """How the model is made.

    Attributes:
        shapes: letters and phones of a graphone, the sizes that are allowed.
        rounds: of expectation maximisation.
        order: graphones in the longest n-gram.
        prune: as in `lm.estimate.EstimateOptions`.
        bins: different probabilities an order, and different backoff weights.
    """

    shapes: tuple[tuple[int, int], ...] = SHAPES
    rounds: int = 12
    order: int = 7
    prune: tuple[int, ...] = (0,)
    bins: int = 32


def held_out(word: str) -> bool:
    """Whether a word is kept from training: one in twenty, by the first byte of its MD5."""
    return hashlib.md5(word.encode()).digest()[0] % 20 == 0


def split(lexicon: Lexicon) -> tuple[Lexicon, Lexicon]:
    """The words of a-z and apostrophe: those to train on, and those held out."""
    words = {word: ways for word, ways in lexicon.items() if _WORD.fullmatch(word)}
    return (
        {word: ways for word, ways in words.items() if not held_out(word)},
        {word: ways for word, ways in words.items() if held_out(word)},
    )


def align(lexicon: Lexicon, options: TrainOptions) -> list[list[Pair]]:
    """The graphones of every word and pronunciation that can be cut into such shapes."""
    words = encode([(word, phones) for word, ways in lexicon.items() for phones in ways])
    share, _ = learn(words, options.rounds, options.shapes)
    return [cut for cut in best_cuts(words, share, options.shapes) if cut is not None]


def train(cuts: Sequence[Sequence[Pair]], options: TrainOptions) -> Packed:
    """The n-gram model of aligned words."""
    corpus = encode_text([((" ".join(map(name_of, cut)) for cut in cuts), 1)])
    return pack(estimate(corpus, EstimateOptions(order=options.order, prune=options.prune)), options.bins)


def main(data: Path, out: Path) -> None:
    """Train on all but the held-out words and say what came out."""
    began, options = time.monotonic(), TrainOptions()
    lexicon, _ = split(read_lexicon(data / LEXICON))
    pairs = sum(map(len, lexicon.values()))
    cuts = align(lexicon, options)
    packed = train(cuts, options)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_model(packed, out)
    seconds, size = time.monotonic() - began, out.stat().st_size / 1e6
    print(f"{len(lexicon):,} words, {pairs:,} pronunciations, {pairs - len(cuts)} of them without a cut")
    print(f"{len(packed.names)} graphones; n-grams {' '.join(map(str, packed.sizes))}")
    print(f"{out}: {size:.2f} MB in {seconds:.0f} s")


if __name__ == "__main__":
    given = [Path(text) for text in sys.argv[1:]]
    main(*given, *(Path("../shared/data"), MODEL_FILE)[len(given) :])

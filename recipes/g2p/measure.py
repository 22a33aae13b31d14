"""How often the pronunciations of words that the model has not seen are right.

python -m recipes.g2p.measure [DATA] [MODEL]      the shipped model on the held-out words
python -m recipes.g2p.measure --choose [DATA]     other settings, trained without the tuning words, on these
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from biasing.g2p import MODEL_FILE, Pronouncer, SearchOptions
from biasing.graphones import read_model, unpack
from biasing.lexicon import Lexicon, read_lexicon
from recipes.g2p.align import SHAPES
from recipes.g2p.train import LEXICON, TrainOptions, align, split, train

COUNT = 3
Shapes = tuple[tuple[int, int], ...]
SINGLE: Shapes = ((1, 0), (1, 1), (1, 2))
CHOICES = (
    *(TrainOptions(order=order) for order in (4, 5, 6, 7, 8)),
    TrainOptions(prune=(0, 0, 0, 1)),
    TrainOptions(bins=16),
    TrainOptions(bins=256),
    TrainOptions(shapes=SINGLE),
    TrainOptions(shapes=SINGLE, order=8),
)
SEARCHES = (SearchOptions(6, 6.0), SearchOptions(), SearchOptions(24, 12.0))


@dataclass(frozen=True)
class Errors:
    """Percentages over words; every pronunciation that the lexicon gives is right.

    Attributes:
        phones: wrong phones of the best pronunciation against the nearest right one, of the phones of that.
        words: words whose best pronunciation is wrong.
        any_of_three: words of whose three best pronunciations none is right.
        probability: mean probability that the model gives to right pronunciations.
        milliseconds: processor time a word.
    """

    phones: float
    words: float
    any_of_three: float
    probability: float
    milliseconds: float

    def __str__(self) -> str:
        return (
            f"{self.phones:.2f} | {self.words:.2f} | {self.any_of_three:.2f} | {self.probability:.1f} | "
            f"{self.milliseconds:.2f}"
        )


def errors(pronouncer: Pronouncer, lexicon: Lexicon) -> Errors:
    """Compare what the pronouncer says of each word with the lexicon."""
    pronouncer.pronounce("warm", COUNT)
    began = time.process_time()
    said = {word: pronouncer.pronounce(word, 100) for word in lexicon}
    milliseconds = 1000 * (time.process_time() - began) / len(lexicon)
    wrong = length = words = missed = 0
    probability = 0.0
    for word, right in lexicon.items():
        best = said[word][0].phones
        distances = [(distance(best, phones), len(phones)) for phones in right]
        nearest = min(distances, key=lambda pair: pair[0] / pair[1])
        wrong, length, words = wrong + nearest[0], length + nearest[1], words + (nearest[0] > 0)
        missed += not any(way.phones in right for way in said[word][:COUNT])
        probability += sum(way.probability for way in said[word] if way.phones in right)
    share = 100 / len(lexicon)
    return Errors(100 * wrong / length, share * words, share * missed, share * probability, milliseconds)


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """The fewest substitutions, insertions and deletions that turn one into the other (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for place, symbol in enumerate(one, start=1):
        diagonal, row[0] = row[0], place
        for at, wanted in enumerate(other, start=1):
            here = min(row[at] + 1, row[at - 1] + 1, diagonal + (symbol != wanted))
            diagonal, row[at] = row[at], here
    return row[-1]


def tuning(word: str) -> bool:
    """Whether a word of the training part is kept for choosing settings: one in twenty."""
    return hashlib.md5(word.encode()).digest()[0] % 20 == 1


def choose(lexicon: Lexicon) -> None:
    """Print a row for every setting, on words that are neither held out nor trained on."""
    rest = {word: ways for word, ways in lexicon.items() if not tuning(word)}
    chosen = {word: ways for word, ways in lexicon.items() if tuning(word)}
    sizes: tuple[Shapes, ...] = (SHAPES, SINGLE)
    cuts = {shapes: align(rest, TrainOptions(shapes=shapes)) for shapes in sizes}
    print(f"{len(chosen)} words\n\nsetting | thousand n-grams | PER | WER | none of 3 | P(right) | ms")
    for options in CHOICES:
        packed = train(cuts[options.shapes], options)
        model = unpack(packed)
        if options == TrainOptions():
            default = model
        found = errors(Pronouncer(model), chosen)
        kind = "pairs of letters" if options.shapes == SHAPES else "single letters"
        setting = f"{kind}, order {options.order}, prune {options.prune}, {options.bins} bins"
        print(f"{setting} | {sum(packed.sizes) // 1000} | {found}", flush=True)
    for search in SEARCHES:
        print(f"{search} | | {errors(Pronouncer(default, options=search), chosen)}", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Measure the shipped model, or choose."""
    given = [Path(text) for text in arguments if text != "--choose"]
    data, model = (*given, *(Path("../shared/data"), MODEL_FILE)[len(given) :])
    trained_on, held_out = split(read_lexicon(data / LEXICON))
    if "--choose" in arguments:
        choose(trained_on)
        return
    names = {word: ways for word, ways in held_out.items() if not word.endswith("'s")}
    print("words | | PER | WER | none of 3 | P(right) | ms")
    for title, words in (("held out", held_out), ("of these without 's", names)):
        print(f"{title} | {len(words)} | {errors(Pronouncer(read_model(model)), words)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

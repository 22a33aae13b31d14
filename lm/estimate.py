"""Training an n-gram language model from text: `train(["book.txt"], "lm.bin")`."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lm.arpa import write_arpa
from lm.binary import BinaryOptions, write_binary
from lm.counts import EOS, Corpus, count_ngrams, encode
from lm.kneser_ney import BackoffModel, smooth
from lm.text import TextError, read_lines

Progress = Callable[[str, float], None]

BINARY_SUFFIXES = (".bin", ".klm", ".binary")
ARPA_SUFFIXES = (".arpa", ".gz")
MAX_ORDER = 6

_log = logging.getLogger(__name__)


class EstimateError(ValueError):
    """A language model that cannot be estimated as asked; the message says what to change."""


@dataclass(frozen=True)
class EstimateOptions:
    """How a language model is estimated.

    Attributes:
        order: words in the longest n-gram, 2 to 6.
        prune: an n-gram that occurs so often or less is left out; one threshold an order, not decreasing, the
            first 0; missing ones repeat the last, those beyond the order do nothing. (0, 0, 1) drops trigrams
            and longer that were seen only once.
        min_word_count: words seen less often are unknown words.
        vocabulary: a text file of the words to know, the others are unknown words; None for all.
        weights: how often each text counts, one whole number a text; empty for once each.
        binary: how the KenLM binary is packed.
    """

    order: int = 4
    prune: tuple[int, ...] = (0, 0, 1, 2)
    min_word_count: int = 1
    vocabulary: Path | None = None
    weights: tuple[int, ...] = ()
    binary: BinaryOptions = field(default_factory=BinaryOptions)


@dataclass(frozen=True)
class EstimateReport:
    """What went into a language model and what came out.

    Attributes:
        sentences: lines counted, each as often as its text's weight.
        words: words counted, likewise.
        refused_lines: lines left out because they hold signs that no word of a-z can stand for.
        vocabulary: different words in the model, <unk>, <s> and </s> included.
        unknown_share: share of the text's words that are unknown to the model.
        ngrams: n-grams in the model, one number an order.
        bytes: size of the file written.
        seconds: time it took.
    """

    sentences: int
    words: int
    refused_lines: int
    vocabulary: int
    unknown_share: float
    ngrams: tuple[int, ...]
    bytes: int
    seconds: float


def train(
    texts: Sequence[str | Path],
    out: str | Path,
    options: EstimateOptions | None = None,
    progress: Progress | None = None,
) -> EstimateReport:
    """Estimate a model (interpolated modified Kneser-Ney) from texts and write it to `out`.

    The texts are normalised by `lm.text.normalise`, one sentence a line; .txt, .gz, .xz, or "-" for standard
    input. `out` is ARPA for .arpa and .arpa.gz, KenLM's binary trie for .bin, .klm and .binary.
    `progress(step, share)` hears of each step's name and the share of the whole done, 0 to 1.

    Raises:
        EstimateError: options or suffix that cannot be used, or texts without a sentence.
        TextError: a text cannot be read.
        OSError: the model cannot be written.
    """
    options, target, began = options or EstimateOptions(), Path(out), time.monotonic()
    _check(texts, target, options)
    tell = progress or _ignore
    tell("reading", 0.0)
    refused: Counter[str] = Counter()
    corpus = encode(_sentences(texts, options.weights, refused))
    if not len(corpus.tokens):
        raise EstimateError(
            f"{', '.join(map(str, texts))}: no sentence to learn from; give text, one sentence a line"
        )
    known = _known(corpus, options)
    tell("counting", 0.35)
    model = _estimate(corpus, known, options, tell)
    tell("writing", 0.7)
    if target.suffix in BINARY_SUFFIXES:
        write_binary(model, target, options.binary)
    else:
        write_arpa(model, target)
    tell("done", 1.0)
    return _report(corpus, known, model, refused.total(), target, time.monotonic() - began)


def estimate(
    corpus: Corpus, options: EstimateOptions, known: NDArray[np.bool_] | None = None
) -> BackoffModel:
    """The model of a corpus; `known` (words,) says which words the model shall know, all by default."""
    everything = np.ones(len(corpus.words), np.bool_)
    return _estimate(corpus, everything if known is None else known, options, _ignore)


def _estimate(
    corpus: Corpus, known: NDArray[np.bool_], options: EstimateOptions, tell: Progress
) -> BackoffModel:
    tables = count_ngrams(corpus, options.order)
    tell("smoothing", 0.6)
    return smooth(corpus.words, tables, _thresholds(options), known)


def _check(texts: Sequence[str | Path], target: Path, options: EstimateOptions) -> None:
    if not texts:
        raise EstimateError("no text given; name at least one text, or - for standard input")
    if target.suffix not in BINARY_SUFFIXES + ARPA_SUFFIXES:
        accepted = ", ".join((*BINARY_SUFFIXES, ".arpa", ".arpa.gz"))
        raise EstimateError(f"{target}: unknown kind of language model; let the name end in {accepted}")
    if not target.absolute().parent.is_dir():
        raise EstimateError(f"{target}: there is no folder {target.parent}; make it first")
    for text in [text for text in texts if str(text) != "-" and not Path(text).exists()]:
        raise TextError(f"{text}: no such text; name a .txt, .gz or .xz text, or -")
    if not 2 <= options.order <= MAX_ORDER:
        raise EstimateError(f"order {options.order} is out of range; choose 2 to {MAX_ORDER}")
    prune = options.prune
    if list(prune) != sorted(prune) or (prune and prune[0] != 0):
        given = ",".join(map(str, prune))
        raise EstimateError(
            f"prune {given}: give one threshold an order, 0 first and not decreasing, like 0,0,1"
        )
    if options.weights and (len(options.weights) != len(texts) or min(options.weights) < 1):
        raise EstimateError(
            f"weights {options.weights}: give one whole number, 1 or more, for each of the {len(texts)} texts"
        )


def _thresholds(options: EstimateOptions) -> list[int]:
    given = options.prune[: options.order] or (0,)
    return [*given, *[given[-1]] * (options.order - len(given))]


def _sentences(
    texts: Sequence[str | Path], weights: Sequence[int], refused: Counter[str]
) -> Iterator[tuple[Iterator[str], int]]:
    for text, weight in zip(texts, weights or [1] * len(texts), strict=True):
        yield _usable(text, refused), weight
        if refused[str(text)]:
            _log.warning("%s: left out %d lines that words of a-z cannot spell", text, refused[str(text)])


def _usable(text: str | Path, refused: Counter[str]) -> Iterator[str]:
    for line in read_lines(text):
        if line is None:
            refused[str(text)] += 1
        else:
            yield line


def _known(corpus: Corpus, options: EstimateOptions) -> NDArray[np.bool_]:
    """(words,) Whether the model shall know each word; the special words it always knows."""
    counts = np.bincount(corpus.tokens, corpus.weights, len(corpus.words))
    known = np.asarray(counts >= options.min_word_count)
    if options.vocabulary is not None:
        listed = {word for line in read_lines(options.vocabulary) if line for word in line.split()}
        known &= np.fromiter((word in listed for word in corpus.words), np.bool_, len(corpus.words))
    known[: EOS + 1] = True
    return known


def _report(
    corpus: Corpus, known: NDArray[np.bool_], model: BackoffModel, refused: int, target: Path, seconds: float
) -> EstimateReport:
    counts = np.bincount(corpus.tokens, corpus.weights, len(corpus.words))
    words = counts[EOS + 1 :].sum()
    return EstimateReport(
        sentences=int(counts[EOS]),
        words=int(words),
        refused_lines=refused,
        vocabulary=len(model.words),
        unknown_share=float(counts[~known].sum() / max(words, 1)),
        ngrams=tuple(model.counts),
        bytes=target.stat().st_size,
        seconds=seconds,
    )


def _ignore(step: str, share: float) -> None:
    """Nobody listens."""

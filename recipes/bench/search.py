"""Time the decoders on one core: milliseconds of processor time per second of audio.

    python -m recipes.bench.search [--model NAME [--data DIR]]
    python -m recipes.bench.search [--text FILE] [--log-probs FILE.npz] [--lm FILE.arpa] [--vocabulary V]

With --model the input is what that model hears in dev, and its own language model is added.

Without --log-probs the input is synthetic, in the shape that trained CTC models give: sentences of --text in
sub-word pieces, a spike of one or two frames for each piece, rivals near the spikes, blank everywhere else.
A file given holds float arrays (T, V) under any names, and `pieces`, the text of the V tokens.
"""

from __future__ import annotations

import argparse
import collections
import logging
import lzma
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr.decoding import LM_FILE, find_lm
from asr.recognizer import Recognizer, model_folder
from asr.search import BeamSearch, Hypothesis, Scorer, SearchOptions, greedy
from lm.ngram import LMOptions, NGram, WordScorer
from lm.vocabulary import read_vocabulary
from recipes.base.measure import hear

FRAMES_PER_SECOND = 25.0
SENTENCES = 40
LM_WEIGHT, WORD_BONUS = 0.5, 1.5  # pyctcdecode's defaults, for both
UNKNOWN = -10.0 * math.log(10.0)  # likewise
WIDTHS = (16, 32)

LogProbs = NDArray[np.float32]
Decoder = Callable[[LogProbs], str]


def read_sentences(path: Path, count: int) -> list[str]:
    """Take every hundredth line of a text file, plain or xz."""
    stored = path.read_bytes()
    text = (lzma.decompress(stored) if path.suffix == ".xz" else stored).decode("utf-8")
    return [line.strip().lower() for line in text.splitlines()[50::100]][:count]


def make_pieces(sentences: Sequence[str], vocabulary: int) -> list[str]:
    """Blank, all letters, and the frequent beginnings and insides of words, weighted by their length."""
    counts: collections.Counter[str] = collections.Counter()
    for word in " ".join(sentences).split():
        marked = "▁" + word
        for start in range(len(marked)):
            for end in range(start + 2, min(start + 7, len(marked) + 1)):
                counts[marked[start:end]] += end - start - 1
    letters = [mark + letter for mark in ("▁", "") for letter in "abcdefghijklmnopqrstuvwxyz'"]
    longer = [piece for piece, _ in counts.most_common() if piece not in letters]
    return ["", *letters, *longer][:vocabulary]


def spell(sentence: str, pieces: Sequence[str]) -> Iterator[int]:
    """Cut a sentence into pieces, the longest that fits first."""
    ids = {piece: number for number, piece in enumerate(pieces) if piece}
    for word in sentence.split():
        rest = "▁" + word
        while rest:
            length = next(size for size in range(min(7, len(rest)), 0, -1) if rest[:size] in ids)
            yield ids[rest[:length]]
            rest = rest[length:]


def synthesise(tokens: Sequence[int], vocabulary: int, generator: np.random.Generator) -> LogProbs:
    """Log-probs (T, V) in which the tokens are spikes; one spike in ten is lost to a rival or nearly so."""
    rows = []
    for token in tokens:
        for _ in range(int(generator.integers(2, 9))):
            rows.append(generator.normal(-14.0, 2.0, vocabulary))
            rows[-1][0] = 0.0
        rivals = generator.integers(1, vocabulary, 3)
        depth = generator.exponential(0.8 if generator.random() < 0.1 else 5.0, 3)
        for weight in ((0.0,), (-0.5, 0.0))[int(generator.random() < 0.4)]:
            rows.append(generator.normal(-13.0, 2.0, vocabulary))
            rows[-1][0] = -2.5 + generator.normal()
            rows[-1][rivals] = weight - depth
            rows[-1][token] = weight
    logits = np.array(rows)
    normalised: LogProbs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    return normalised


def load(path: Path) -> tuple[list[LogProbs], list[str]]:
    """Read saved log-probs and pieces."""
    with np.load(path) as stored:
        pieces = [str(piece) for piece in stored["pieces"]]
        return [stored[name].astype(np.float32) for name in stored.files if name != "pieces"], pieces


def beam_decoder(pieces: Sequence[str], options: SearchOptions, scorers: Sequence[Scorer]) -> Decoder:
    """A beam search that begins without any memory of the scorer's answers."""
    search = BeamSearch(options, scorers)
    return lambda log_probs: as_text(search.decode(log_probs)[0], pieces)


def as_text(hypothesis: Hypothesis, pieces: Sequence[str]) -> str:
    """The words of a hypothesis."""
    return "".join(pieces[token] for token in hypothesis.tokens).replace("▁", " ").strip()


def peer_decoder(pieces: Sequence[str], lm: Path | None, beam: int) -> Decoder:
    """Wrap pyctcdecode with the same LM, weights and beam."""
    from pyctcdecode.decoder import build_ctcdecoder

    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)
    path = str(lm) if lm else None
    words = read_vocabulary(lm) if lm else None
    decoder: Any = build_ctcdecoder(list(pieces), path, words, alpha=LM_WEIGHT, beta=WORD_BONUS)
    return lambda log_probs: str(decoder.decode(log_probs, beam_width=beam))


def report(name: str, decode: Decoder, inputs: Sequence[LogProbs], references: Sequence[str]) -> list[str]:
    """Decode everything once and print the time and, where the truth is known, the word error rate."""
    seconds = sum(len(log_probs) for log_probs in inputs) / FRAMES_PER_SECOND
    began = time.process_time()
    texts = [decode(log_probs) for log_probs in inputs]
    spent = time.process_time() - began
    wer = f"   WER {100 * jiwer.wer(list(references), texts):.1f} %" if references else ""
    print(f"{name:40s} {1000.0 * spent / seconds:9.3f} ms per second of audio{wer}")
    return texts


def compare(inputs: list[LogProbs], references: list[str], pieces: list[str], lm: Path | None) -> None:
    """Print a line for each decoder, and how often pyctcdecode agrees at the same width."""
    began = time.perf_counter()
    BeamSearch().decode(inputs[0][:5])
    print(f"{'first call':40s} {time.perf_counter() - began:9.3f} s")
    report("greedy", lambda log_probs: as_text(greedy(log_probs), pieces), inputs, references)
    ngram = NGram(lm) if lm else None
    for model in (None, ngram) if ngram else (None,):
        label = "with LM" if model else "without LM"
        for beam in WIDTHS:
            scorers = [WordScorer(model, pieces, LMOptions(LM_WEIGHT, WORD_BONUS, UNKNOWN))] if model else []
            decode = beam_decoder(pieces, SearchOptions(beam=beam), scorers)
            ours = report(f"beam {beam} {label}", decode, inputs, references)
            peer = peer_decoder(pieces, lm if model else None, beam)
            theirs = report(f"pyctcdecode {beam} {label}", peer, inputs, references)
            agreed = sum(one == other for one, other in zip(ours, theirs, strict=True))
            print(f"{'':40s} {agreed}/{len(ours)} texts agree")


def main() -> None:
    """Read the arguments, then time each decoder over all inputs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text", type=Path, default=Path("../shared/data/text/librispeech_train_clean_100.txt.xz")
    )
    parser.add_argument("--log-probs", type=Path)
    parser.add_argument("--lm", type=Path, help="a word n-gram model in ARPA format")
    parser.add_argument("--vocabulary", type=int, default=512)
    parser.add_argument("--model", help="shipped name or model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder, for --model")
    arguments = parser.parse_args()
    references: list[str] = []
    if arguments.model:
        recognizer = Recognizer.from_pretrained(arguments.model)
        heard = hear(recognizer, "dev", arguments.data)
        inputs, pieces = [one.log_probs for one in heard.acoustics], ["", *recognizer.tokenizer.pieces[1:]]
        references = [utterance.text for utterance in heard.utterances]
        folder = model_folder(arguments.model)
        arguments.lm = find_lm(folder) or folder / LM_FILE
    elif arguments.log_probs:
        inputs, pieces = load(arguments.log_probs)
    else:
        generator = np.random.default_rng(0)
        references = read_sentences(arguments.text, SENTENCES)
        pieces = make_pieces(references, arguments.vocabulary)
        inputs = [synthesise(list(spell(line, pieces)), len(pieces), generator) for line in references]
    seconds = sum(len(log_probs) for log_probs in inputs) / FRAMES_PER_SECOND
    print(f"{len(inputs)} utterances, {seconds:.0f} s, {len(pieces)} tokens")
    compare(inputs, references, pieces, arguments.lm)


if __name__ == "__main__":
    main()

"""Time decoding with phrase lists on one core, ours and that of other projects on the same log-probs.

    python -m recipes.bench.lists [MODEL] [--data ../shared/data] [--cache DIR] [--counts 0 100 1000 20000]

Lists are drawn from --phrases (by default the rare words of the data folder), the shorter ones the beginnings
of the longer ones, so that nearly all of their lines are distractors. What is timed is all that becomes of
log-probs: search with language model, the search without the list, phones, lookup, report. Times are of the
processor. As in use, every utterance is new to the decoder: in each round new ones decode --warm utterances
untimed, then --utterances others once. The lists take turns with each utterance; its fastest round counts.

pyctcdecode (hotwords) and flashlight-text (its lexicon decoder, the list in its lexicon) have the same
log-probs, language model, weights and beam. The time of pyctcdecode grows with the list, so both decode every
--peer-step'th of these utterances, and are compared with ours on the same ones.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.evaluation.acoustics import ACOUSTIC_FILES, AcousticStore, digest_files
from asr.evaluation.techniques import Technique
from asr.manifest import read_manifest
from asr.phrase_decoder import Heard, PhraseDecoder, plainly_heard
from asr.prepared import PreparedPhrases, Tools
from asr.recognizer import Acoustics, Recognizer, model_folder
from biasing.g2p import Pronouncer
from biasing.phrases import PhraseList, make_phrases
from lm.text import open_text
from recipes.bench.flashlight import FlashlightDecoder
from recipes.entities.peers import pyctcdecode

HOTWORD_WEIGHT = 10.0  # pyctcdecode's default

Decode = Callable[[Acoustics], Heard]
Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """How much is measured; see the module."""

    warm: int = 20
    rounds: int = 3


@dataclass
class Row:
    """One list, and what it costs.

    Attributes:
        phrases: the list.
        prepare: processor seconds to make it ready.
        megabytes: of its graph.
        rounds: (utterances,) seconds of each round.
        heard: a hash of what was heard, by which two versions of the code are compared.
        peers: by name, (utterances of the peers,) seconds that they take.
    """

    phrases: PhraseList
    prepare: float = 0.0
    megabytes: float = 0.0
    rounds: list[Seconds] = field(default_factory=list)
    heard: str = ""
    peers: dict[str, Seconds] = field(default_factory=dict)

    @property
    def seconds(self) -> Seconds:
        """(utterances,) of the fastest round of each."""
        fastest: Seconds = np.minimum.reduce(self.rounds)
        return fastest


def draw_lines(path: Path, count: int) -> list[str]:
    """Take some lines of a text, plain or packed, always the same ones."""
    with open_text(path) as stream:
        lines = [line.strip() for line in stream]
    random.Random(0).shuffle(lines)
    return lines[:count]


def hear(recognizer: Recognizer, data: Path, cache: Path, count: int) -> list[Acoustics]:
    """Log-probs of utterances of dev, always the same ones: each of one segment, in no order."""
    digest = digest_files(model_folder(recognizer.name), ACOUSTIC_FILES)
    store = AcousticStore(cache, recognizer, digest)
    utterances = read_manifest(data / "speech" / "dev.jsonl")
    random.Random(0).shuffle(utterances)
    return [store.hear(utterance.audio).segments[0] for utterance in utterances[:count]]


def prepare(recognizer: Recognizer, row: Row) -> PreparedPhrases:
    """Build everything that is built once for a list, timed."""
    tools = Tools(
        recognizer.tokenizer, recognizer.options, recognizer.bias, recognizer.ngram, Pronouncer.load()
    )
    prepared = PreparedPhrases(row.phrases, tools)
    began = time.process_time()
    graph, *_ = prepared.graph, prepared.words, prepared.finder, prepared.book, prepared.index
    row.prepare = time.process_time() - began
    row.megabytes = graph.nbytes / 1e6
    return prepared


def new_decoder(recognizer: Recognizer, prepared: PreparedPhrases) -> Decode:
    """What decodes with a list and remembers nothing yet; without phrases what decodes with none."""
    plain = recognizer.decoder(recognizer.options)
    if not prepared.phrases:
        return lambda acoustics: plainly_heard(plain.decode(acoustics.log_probs, acoustics.phones))
    words = prepared.words
    biased = plain if words is None else recognizer.decoder(recognizer.options, words=words)
    decoder = PhraseDecoder(plain, biased, prepared)
    return lambda acoustics: decoder.decode(acoustics.log_probs, acoustics.phone_log_probs)


def timed(decodes: Sequence[Decode], inputs: Sequence[Acoustics]) -> Iterator[tuple[Seconds, list[Heard]]]:
    """Decode all inputs, the decoders in turn; of each its seconds and what it heard."""
    seconds, heard = np.zeros((len(decodes), len(inputs))), [list[Heard]() for _ in decodes]
    for place, acoustics in enumerate(inputs):
        for which, decode in enumerate(decodes):
            began = time.process_time()
            heard[which].append(decode(acoustics))
            seconds[which, place] = time.process_time() - began
    return zip(seconds, heard, strict=True)


def measure(
    recognizer: Recognizer, rows: Sequence[Row], inputs: Sequence[Acoustics], options: Options
) -> None:
    """Time the decoders of all lists."""
    prepared = [prepare(recognizer, row) for row in rows]
    for _ in range(options.rounds):
        decodes = [new_decoder(recognizer, one) for one in prepared]
        list(timed(decodes, inputs[: options.warm]))
        for row, (seconds, heard) in zip(rows, timed(decodes, inputs[options.warm :]), strict=True):
            row.rounds.append(seconds)
            row.heard = hashlib.sha256(repr(heard).encode()).hexdigest()[:8]


def measure_peers(recognizer: Recognizer, rows: Sequence[Row], inputs: Sequence[Acoustics]) -> None:
    """Time the others, once: they take long enough."""
    folder = model_folder(recognizer.name)
    hotwords, lexicon = pyctcdecode(recognizer, folder, HOTWORD_WEIGHT), FlashlightDecoder(recognizer, folder)
    for row in rows:
        row.peers = {
            "pyctcdecode": seconds_of(_listening(hotwords, row.phrases), inputs),
            "flashlight": seconds_of(lexicon.with_list(row.phrases), inputs),
        }


def _listening(technique: Technique, phrases: PhraseList) -> Callable[[Acoustics], object]:
    return lambda acoustics: technique.decode(acoustics, phrases)


def seconds_of(decode: Callable[[Acoustics], object], inputs: Sequence[Acoustics]) -> Seconds:
    """Processor time of each input."""
    seconds = []
    for acoustics in inputs:
        began = time.process_time()
        decode(acoustics)
        seconds.append(time.process_time() - began)
    return np.array(seconds)


def table(rows: Sequence[Row], inputs: Sequence[Acoustics], frame_seconds: float, step: int) -> Iterator[str]:
    """A line for each list."""
    columns = ["phrases", "ms per s of audio", "to the first", "prepare, s", "graph, MB", "heard"]
    for name in rows[0].peers:
        columns += [name, "to ours"]
    yield f"| {' | '.join(columns)} |"
    yield "|" + " --- |" * len(columns)
    audio = frame_seconds * np.array([len(one.log_probs) for one in inputs])
    for row in rows:
        ours, first = row.seconds, rows[0].seconds
        cells = [
            f"{len(row.phrases)}",
            f"{1e3 * ours.sum() / audio.sum():.2f}",
            f"{ours.sum() / first.sum():.2f}",
        ]
        cells += [f"{row.prepare:.1f}", f"{row.megabytes:.1f}", row.heard]
        for seconds in row.peers.values():
            cells += [f"{1e3 * seconds.sum() / audio[::step].sum():.1f}"]
            cells += [f"{seconds.sum() / ours[::step].sum():.1f}"]
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    """Read the arguments, then measure."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("model", nargs="?", default="base-en", help="shipped name or model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="where log-probs are kept")
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[0, 100, 1000, 20_000], help="lengths of lists"
    )
    parser.add_argument("--phrases", type=Path, help="where lists are drawn from, a phrase a line")
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument("--warm", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-step", type=int, default=0, help="0 leaves the others out")
    arguments = parser.parse_args()
    recognizer = Recognizer.from_pretrained(arguments.model)
    lines = draw_lines(
        arguments.phrases or arguments.data / "biasing" / "all_rare_words.txt.xz", max(arguments.counts)
    )
    rows = [Row(make_phrases(lines[:count])) for count in arguments.counts]
    options = Options(arguments.warm, arguments.rounds)
    inputs = hear(recognizer, arguments.data, arguments.cache, arguments.warm + arguments.utterances)
    measure(recognizer, rows, inputs, options)
    inputs = inputs[arguments.warm :]
    if arguments.peer_step:
        measure_peers(recognizer, rows, inputs[:: arguments.peer_step])
    frame_seconds = recognizer.model.frame_seconds
    audio = frame_seconds * sum(len(one.log_probs) for one in inputs)
    print(f"{arguments.model}, {len(inputs)} utterances, {audio:.0f} s; load {os.getloadavg()[0]:.1f}")
    print("\n".join(table(rows, inputs, frame_seconds, arguments.peer_step)))


if __name__ == "__main__":
    main()

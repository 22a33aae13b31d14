"""Word error rates of a model folder on the evaluation sets, and its language model weights tuned on dev.

python -m recipes.base.measure tune MODEL [--data ../shared/data]
python -m recipes.base.measure table MODEL [--data ../shared/data] [--sets dev test-dev8 ...]
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio import read_audio
from asr.decoding import Decoder, DecodingOptions, save_decoding_options
from asr.grouping import grouped
from asr.hearing import BATCH_SECONDS
from asr.manifest import Utterance, read_manifest
from asr.recognizer import Recognizer, model_folder
from asr.scoring import Score, score

SETS = ("dev", "test-dev8", "test-other100", "test-commonvoice", "synthetic-test-names")


@dataclass(frozen=True)
class Heard:
    """A set with its log-probs."""

    name: str
    utterances: list[Utterance]
    log_probs: list[NDArray[np.float32]]

    def scored(self, decoder: Decoder) -> Score:
        """Error rates of one decoder."""
        texts = [" ".join(word.text for word in decoder.decode(one)) for one in self.log_probs]
        refs = {utterance.id: utterance.text for utterance in self.utterances}
        return score(refs, dict(zip(refs, texts, strict=True)))


def hear(recognizer: Recognizer, name: str, data: Path) -> Heard:
    """Log-probs of every utterance of a set, in batches of similar durations."""
    utterances = sorted(read_manifest(data / "speech" / f"{name}.jsonl"), key=lambda u: u.duration)
    found: list[NDArray[np.float32]] = []
    for group in grouped(utterances, lambda u: u.duration, BATCH_SECONDS):
        found += [a.log_probs for a in recognizer.acoustics([read_audio(u.audio) for u in group])]
    return Heard(name, utterances, found)


def tune(recognizer: Recognizer, data: Path) -> DecodingOptions:
    """The weights with the lowest word error rate on dev: a coarse grid, then finer ones around its best."""
    dev = hear(recognizer, "dev", data)
    best = replace(recognizer.options, greedy=False, lm=True)
    tried: dict[DecodingOptions, float] = {}

    def search(
        weights: Sequence[float], bonuses: Sequence[float], penalties: Sequence[float]
    ) -> DecodingOptions:
        for exact_weight, exact_bonus, penalty in itertools.product(weights, bonuses, penalties):
            weight, bonus = round(exact_weight, 3), round(exact_bonus, 3)
            options = replace(best, lm_weight=weight, word_bonus=bonus, unk_penalty=penalty)
            if options not in tried:
                tried[options] = dev.scored(recognizer.decoder(options)).wer
                wer = f"WER {100 * tried[options]:.2f} %"
                print(f"lm_weight {weight:.2f} word_bonus {bonus:.2f} unk {penalty:.0f}: {wer}")
        return min(tried, key=lambda options: tried[options])

    best = search((0.3, 0.5, 0.7, 0.9), (0.0, 1.5, 3.0), (-5.0,))
    best = search((best.lm_weight,), (best.word_bonus,), (-20.0, -15.0, -10.0, -2.0, 0.0))
    before = None
    while best != before:
        before = best
        weights = (best.lm_weight - 0.1, best.lm_weight, best.lm_weight + 0.1)
        bonuses = (best.word_bonus - 0.75, best.word_bonus, best.word_bonus + 0.75)
        best = search(weights, bonuses, (best.unk_penalty,))
    return best


def table(recognizer: Recognizer, data: Path, sets: Sequence[str]) -> str:
    """A Markdown table: word error rate with its 95 % interval, greedy, by beam, and with language model."""
    tuned = recognizer.options
    ways = {
        "greedy": replace(tuned, greedy=True),
        f"beam {tuned.beam}": replace(tuned, lm=False, word_bonus=0.0),
        f"beam {tuned.beam} + LM": tuned,
    }
    lines = [f"| set | {' | '.join(ways)} |", f"| --- |{' --- |' * len(ways)}"]
    for name in sets:
        heard = hear(recognizer, name, data)
        cells = []
        for options in ways.values():
            scored = heard.scored(recognizer.decoder(options))
            low, high = scored.wer_interval
            cells.append(f"{100 * scored.wer:.1f} ({100 * low:.1f} to {100 * high:.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1])
    return "\n".join(lines)


def main() -> None:
    """Read the arguments and measure."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("what", choices=("tune", "table"))
    parser.add_argument("model", help="model folder or shipped name")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--sets", nargs="+", default=SETS, help="manifests in speech/, without .jsonl")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such data folder; give --data FOLDER")
    recognizer = Recognizer.from_pretrained(arguments.model)
    if arguments.what == "tune":
        options = tune(recognizer, arguments.data)
        save_decoding_options(options, model_folder(arguments.model))
        print(options)
    else:
        print(table(recognizer, arguments.data, arguments.sets))


if __name__ == "__main__":
    main()

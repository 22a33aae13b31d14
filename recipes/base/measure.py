"""Word error rates of a model folder on the evaluation sets, and its language model weights tuned on dev.

python -m recipes.base.measure tune MODEL [--data ../shared/data]
python -m recipes.base.measure table MODEL [--data ../shared/data] [--sets dev test-dev8 ...]
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.audio import read_audio
from asr.decoding import Decoder, DecodingOptions, save_decoding_options
from asr.grouping import grouped
from asr.hearing import BATCH_SECONDS
from asr.manifest import Utterance, read_manifest
from asr.recognizer import Acoustics, Recognizer, model_folder
from asr.scoring import Score, score

SETS = ("dev", "test-dev8", "test-other100", "test-commonvoice", "synthetic-test-names")


@dataclass(frozen=True)
class Heard:
    """A set with what the model says of it."""

    name: str
    utterances: list[Utterance]
    acoustics: list[Acoustics]

    def scored(self, decoder: Decoder) -> Score:
        """Error rates of one decoder."""
        heard = [decoder.decode(one.log_probs, one.phones) for one in self.acoustics]
        texts = [" ".join(word.text for word in words) for words in heard]
        refs = {utterance.id: utterance.text for utterance in self.utterances}
        return score(refs, dict(zip(refs, texts, strict=True)))


def hear(recognizer: Recognizer, name: str, data: Path) -> Heard:
    """What the model says of every utterance of a set, in batches of similar durations."""
    utterances = sorted(read_manifest(data / "speech" / f"{name}.jsonl"), key=lambda u: u.duration)
    found: list[Acoustics] = []
    for group in grouped(utterances, lambda u: u.duration, BATCH_SECONDS):
        heard = recognizer.acoustics([read_audio(u.audio) for u in group])
        found += [replace(one, states=None) for one in heard]  # they are many, and lists alone ask for them
    return Heard(name, utterances, found)


def tune(recognizer: Recognizer, data: Path) -> DecodingOptions:
    """The weights with the lowest word error rate on dev: a coarse grid, then finer ones around its best.

    The last is that of the phones, after which those of the language model are tried once more.
    """
    dev = hear(recognizer, "dev", data)
    best = replace(recognizer.options, greedy=False, lm=True)
    tried: dict[DecodingOptions, float] = {}

    def search(
        weights: Sequence[float],
        bonuses: Sequence[float],
        penalties: Sequence[float],
        phones: Sequence[float] = (0.0,),
    ) -> DecodingOptions:
        for exact_weight, exact_bonus, penalty, phone in itertools.product(
            weights, bonuses, penalties, phones
        ):
            weight, bonus = round(exact_weight, 3), round(exact_bonus, 3)
            options = replace(
                best, lm_weight=weight, word_bonus=bonus, unk_penalty=penalty, phone_weight=phone
            )
            if options not in tried:
                tried[options] = dev.scored(recognizer.decoder(options)).wer
                said = f"lm_weight {weight:.2f} word_bonus {bonus:.2f} unk {penalty:.0f} phones {phone:.2f}"
                print(f"{said}: WER {100 * tried[options]:.2f} %", flush=True)
        return min(tried, key=lambda options: tried[options])

    def around() -> tuple[Sequence[float], Sequence[float]]:
        weight, bonus = best.lm_weight, best.word_bonus
        return (weight - 0.1, weight, weight + 0.1), (bonus - 0.75, bonus, bonus + 0.75)

    best = search((0.3, 0.5, 0.7, 0.9), (0.0, 1.5, 3.0), (-5.0,))
    best = search((best.lm_weight,), (best.word_bonus,), (-20.0, -15.0, -10.0, -2.0, 0.0))
    before = None
    while best != before:
        before = best
        best = search(*around(), (best.unk_penalty,))
    best = search((best.lm_weight,), (best.word_bonus,), (best.unk_penalty,), (0.1, 0.2, 0.3, 0.4))
    return search(*around(), (best.unk_penalty,), (best.phone_weight,))


def table(recognizer: Recognizer, data: Path, sets: Sequence[str]) -> str:
    """A Markdown table: word error rate with its 95 % interval, greedy, by beam, and with language model."""
    tuned = recognizer.options
    ways = {
        "greedy": replace(tuned, greedy=True),
        f"beam {tuned.beam}": replace(tuned, lm=False, word_bonus=0.0, phone_weight=0.0),
        f"beam {tuned.beam} + LM{' + phones' if tuned.phone_weight else ''}": tuned,
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
        print(lines[-1], file=sys.stderr)
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

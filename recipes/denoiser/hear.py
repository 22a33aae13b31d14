"""Whether the recognizer makes fewer errors behind the denoiser.

python -m recipes.denoiser.hear runs/denoiser/model [--data ../shared/data] [--set speech/dev.jsonl]
    [--models base-en base-en-moonshine] [--shares off 0 0.25 0.5 0.75] [--count 50]

Each utterance is mixed with a recording of `--noise` at each ratio, and is also left clean; a share says how
much of the noisy recording is mixed back. Texts are kept in `--kept`, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path

from asr.percepnet import DenoiseOptions, Denoiser
from asr.percepnet.model import WEIGHTS_FILE, DenoiserModel, load_model
from asr.recognizer import Recognizer
from asr.scoring import score
from recipes.denoiser.sounds import Pair, mixed_pairs

RATE = 16_000
Texts = dict[str, str]


class Kept:
    """Texts by what they are of, in a file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        self.texts = {tuple(row["key"]): str(row["text"]) for row in map(json.loads, lines)}

    def add(self, key: tuple[str, ...], text: str) -> None:
        """Keep one more."""
        self.texts[key] = text
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"key": key, "text": text}) + "\n")


class Arm:
    """A recognizer behind a denoiser that mixes a share of the recording back, or behind none."""

    def __init__(self, recognizer: Recognizer, model: DenoiserModel, weights: str, share: str) -> None:
        self.recognizer = recognizer
        self.share = share
        self.weights = "" if share == "off" else weights
        self.denoiser = None if share == "off" else Denoiser(RATE, model, DenoiseOptions(mix=float(share)))

    def hear(self, condition: str, pairs: list[Pair], kept: Kept) -> tuple[Texts, Texts]:
        """References and what was heard."""
        heard = {}
        for pair in pairs:
            key = (self.recognizer.name, condition, pair.name, self.share, self.weights)
            if key not in kept.texts:
                samples = pair.noisy if self.denoiser is None else self.denoiser.denoise(pair.noisy)
                kept.add(key, self.recognizer.transcribe((samples, RATE)).text)
            heard[pair.name] = kept.texts[key]
        return {pair.name: pair.text for pair in pairs}, heard


def conditions(given: argparse.Namespace) -> Iterator[tuple[str, list[Pair]]]:
    """The set at each ratio, and clean."""
    for snr_db in (*given.snrs, math.inf):
        name = "clean" if math.isinf(snr_db) else f"{snr_db:g} dB"
        wanted = (given.data, given.set, given.noise, snr_db, given.count, given.noise_every)
        yield name, list(mixed_pairs(*wanted))


def table(recognizer: Recognizer, given: argparse.Namespace) -> str:
    """Word error rates in percent, a line each condition and a column each share."""
    model = load_model(given.model)
    weights = hashlib.sha256((given.model / WEIGHTS_FILE).read_bytes()).hexdigest()[:12]
    arms = [Arm(recognizer, model, weights, share) for share in given.shares]
    kept = Kept(given.kept)
    lines = [f"| {recognizer.name} | {' | '.join(given.shares)} |", "| --- |" + " --- |" * len(arms)]
    for name, pairs in conditions(given):
        found = [score(*arm.hear(f"{given.set} {name}", pairs, kept)) for arm in arms]
        cells = (f"{100 * one.wer:.1f}" for one in found)
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", default="speech/dev.jsonl")
    parser.add_argument("--noise", default="noise/train", help="noise/test goes with a test set")
    parser.add_argument("--noise-every", type=int, default=8, help="8 are those kept for dev; 1 takes all")
    parser.add_argument("--models", nargs="+", default=["base-en", "base-en-moonshine"])
    parser.add_argument("--shares", nargs="+", default=["off", "0", "0.25", "0.5", "0.75"])
    parser.add_argument("--snrs", nargs="*", type=float, default=[0.0, 5.0, 10.0, 15.0, 20.0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--kept", type=Path, default=Path("runs/denoiser-texts.jsonl"))
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    for name in given.models:
        print(f"\n{table(Recognizer.from_pretrained(name), given)}")


if __name__ == "__main__":
    main()

"""Whether the recognizer makes fewer errors behind the denoiser.

python -m recipes.denoiser.hear [MODEL...] [--data ../shared/data] [--set test-dev8] [--noise noise/test]
    [--shares off 0 0.7] [--snrs 20 10 5 0] [--count 121]

Each utterance is mixed with a recording of `--noise` at each ratio, and is also left clean; a share says how
much of the noisy recording is mixed back, and "off" is the recognizer without the denoiser. Texts are kept in
`--kept`, so that a stopped run goes on; `python -m recipes.denoiser.tables` makes tables of the numbers.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from asr.evaluation.acoustics import ACOUSTIC_FILES, DECODING_FILES, digest_files
from asr.percepnet import Denoiser
from asr.percepnet.listening import TUNED_MIX
from asr.percepnet.model import WEIGHTS_FILE, load_model
from asr.recognizer import Recognizer, model_folder
from asr.scoring import Score, score
from biasing.intervals import Bootstrap, compare, ratio
from recipes.denoiser.sounds import Pair, Samples, mixed_pairs
from recipes.denoiser.tables import CLEAN, OFF, keep
from recipes.kept import Kept

RATE = 16_000
SHIPPED = Path(__file__).parents[2] / "asr" / "pretrained" / "denoiser-16k"


@dataclass(frozen=True)
class Ears:
    """A recognizer, and the denoiser in front of it.

    Attributes:
        recognizer: what hears.
        digest: tells its weights and decoding from others.
        denoiser: gives denoised speech alone.
        weights: tells the denoiser's weights from others.
    """

    recognizer: Recognizer
    digest: str
    denoiser: Denoiser
    weights: str

    @classmethod
    def load(cls, model: str, denoiser: Path) -> Ears:
        """Read a recognizer by name or folder, and the folder of a denoiser."""
        digest = digest_files(model_folder(model), (*ACOUSTIC_FILES, *DECODING_FILES))
        weights = digest_files(denoiser, (WEIGHTS_FILE,))
        made = Denoiser(RATE, load_model(denoiser))
        return cls(Recognizer.from_pretrained(model), digest[:12], made, weights[:12])

    def hear(self, condition: str, pair: Pair, shares: Sequence[str], kept: Kept) -> dict[str, str]:
        """What is heard behind each share."""
        denoised = Behind(self.denoiser, pair.noisy)
        texts = {}
        for share in shares:
            weights = "" if share == OFF else self.weights
            key = (self.recognizer.name, self.digest, condition, pair.name, share, weights)
            texts[share] = kept.of(key, partial(self._text, denoised, share))
        return texts

    def _text(self, denoised: Behind, share: str) -> str:
        return self.recognizer.transcribe((denoised.mixed(share), RATE)).text


@dataclass(frozen=True)
class Behind:
    """A recording as it leaves the denoiser, which runs once for all shares, and only if it must."""

    denoiser: Denoiser
    noisy: Samples

    @cached_property
    def _alone(self) -> Samples:
        return self.denoiser.denoise(self.noisy)

    def mixed(self, share: str) -> Samples:
        """With a share of the recording mixed back, as `DenoiseOptions.mix` does."""
        if share == OFF:
            return self.noisy
        return ((1 - float(share)) * self._alone + float(share) * self.noisy).astype(self.noisy.dtype)


def measure(ears: Ears, given: argparse.Namespace, kept: Kept) -> list[dict[str, Any]]:
    """Word error rates of each condition and share, those of shares compared with those without denoiser."""
    found = []
    for snr_db in (math.inf, *given.snrs):
        name = CLEAN if math.isinf(snr_db) else f"{snr_db:g} dB"
        manifest, heard = f"speech/{given.set}.jsonl", dict[str, dict[str, str]]()
        pairs = mixed_pairs(given.data, manifest, given.noise, snr_db, given.count, given.noise_every)
        refs = {}
        for pair in pairs:
            refs[pair.name] = pair.text
            heard[pair.name] = ears.hear(f"{manifest} {name}", pair, given.shares, kept)
        scored = {s: score(refs, {one: texts[s] for one, texts in heard.items()}) for s in given.shares}
        rows = [row_of(share, one, scored[given.shares[0]]) for share, one in scored.items()]
        found.append({"condition": name, "words": scored[given.shares[0]].words.reference, "shares": rows})
        print(
            f"{name}: " + ", ".join(f"{row['share']} {100 * row['wer']['value']:.1f}" for row in rows),
            flush=True,
        )
    return found


def row_of(share: str, scored: Score, off: Score) -> dict[str, Any]:
    """A word error rate, and whether it is lower than without denoiser."""
    low, high = scored.wer_interval
    compared = compare(_rate(off), _rate(scored), len(scored.utterances), Bootstrap(), False)
    wer = {"value": scored.wer, "low": low, "high": high}
    return {"share": share, "wer": wer, "less_off": asdict(compared.difference), "p": compared.p_value}


def _rate(scored: Score) -> Any:
    words = [one.words for one in scored.utterances]
    return ratio([one.errors for one in words], [one.reference for one in words])


def run(given: argparse.Namespace) -> None:
    """Measure as the command line asks."""
    kept = Kept(given.kept)
    for model in given.models:
        ears, name = Ears.load(model, given.denoiser), model_folder(model).name
        print(f"{name}, {given.set}, {given.count} utterances, noises of {given.noise}")
        options = {"set": given.set, "noise": given.noise, "noise-every": given.noise_every}
        options |= {"shares": " ".join(given.shares), "snrs": " ".join(f"{one:g}" for one in given.snrs)}
        wanted = " ".join(f"--{key} {value}" for key, value in {**options, "count": given.count}.items())
        command = f"python -m recipes.denoiser.hear {name} {wanted}"
        about = {"command": command, "weights": ears.digest, "denoiser": ears.weights}
        found = {**about, "utterances": given.count, "conditions": measure(ears, given, kept)}
        keep(f"words-{given.set}-{name}", found)


def share_of(text: str) -> str:
    """Check a share: "off", or a number from 0 to 1."""
    try:
        known = text == OFF or 0 <= float(text) <= 1
    except ValueError:
        known = False
    if not known:
        raise argparse.ArgumentTypeError(f"{text}: give {OFF}, or what is mixed back, from 0 to 1")
    return text


def main() -> None:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["base-en", "base-en-whisper"])
    parser.add_argument("--denoiser", type=Path, default=SHIPPED, help="its model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", default="test-dev8", help="manifest in speech/")
    parser.add_argument("--noise", default="noise/test", help="noise/train goes with dev")
    parser.add_argument("--noise-every", type=int, default=1, help="8 of noise/train are those kept for dev")
    parser.add_argument(
        "--shares",
        nargs="+",
        type=share_of,
        default=[OFF, "0", f"{TUNED_MIX:g}"],
        help="the first is compared with",
    )
    parser.add_argument("--snrs", nargs="*", type=float, default=[20.0, 10.0, 5.0, 0.0])
    parser.add_argument("--count", type=int, default=121)
    parser.add_argument("--kept", type=Path, default=Path("runs/denoiser-texts.jsonl"))
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    if given.shares[0] != OFF:
        parser.error(
            f"--shares {' '.join(given.shares)}: begin with {OFF}, which the others are compared with"
        )
    run(given)


if __name__ == "__main__":
    main()

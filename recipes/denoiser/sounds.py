"""Pairs of clean and noisy recordings, and how near a signal is to the clean one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio import read_audio
from asr.manifest import read_manifest
from asr.training.augment import mix_at_snr
from recipes.entities.noisy import read_noise

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

DAMAGED = frozenset({"blanket_boat.opus"})
"""Noises that cannot be read to their end."""
MOS_WINDOW_S = 9.01
MOS_BENDS = {
    "DNSMOS SIG": (-0.08397278, 1.22083953, 0.0052439),
    "DNSMOS BAK": (-0.13166888, 1.60915514, -0.39604546),
    "DNSMOS OVRL": (-0.06766283, 1.11546468, 0.04602535),
}
"""Polynomials, highest power first."""


@dataclass(frozen=True)
class Pair:
    """The same words without and with noise, `(N,)` each, in time."""

    name: str
    clean: Samples
    noisy: Samples
    text: str = ""


def recorded_pairs(data: Path) -> Iterator[Pair]:
    """The pairs of `denoise-test`."""
    folder = data / "denoise-test"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        clean, noisy = (read_audio(folder / row[side]) for side in ("clean", "noisy"))
        length = min(len(clean), len(noisy))
        yield Pair(Path(row["clean"]).stem, clean[:length], noisy[:length], row["text"])


def mixed_pairs(
    data: Path, manifest: str, noise: str, snr_db: float, count: int, every: int = 1
) -> Iterator[Pair]:
    """`count` utterances, evenly spread over a manifest, each in the next recording of a folder of noise.

    `every` takes each so manieth recording alone; 8 are those of noise/train that training keeps for dev. An
    infinite ratio leaves the utterances clean. Names say which stretch of noise an utterance is in.
    """
    utterances = read_manifest(data / manifest)
    noises = sorted(file for file in (data / noise).iterdir() if file.name not in DAMAGED)[::every]
    if left_out := sorted(DAMAGED & {file.name for file in (data / noise).iterdir()}):
        log.warning("left out as damaged: %s", ", ".join(left_out))
    generator = np.random.default_rng(0)
    for number in range(count):
        utterance = utterances[number * len(utterances) // count]
        clean = read_audio(utterance.audio)
        recording = read_noise(noises[number % len(noises)])
        start = int(generator.integers(max(len(recording) - len(clean), 0) + 1))
        cut = np.resize(recording[start : start + len(clean)], len(clean))
        noisy = clean if np.isinf(snr_db) else mix_at_snr(clean, cut, snr_db)
        # Beyond full scale some systems clip and others do not.
        peak = max(1.0, float(np.abs(noisy).max()) / 0.99)
        name = f"{utterance.id} in {noises[number % len(noises)].stem} from {start}"
        yield Pair(name, clean / np.float32(peak), noisy / np.float32(peak), utterance.text)


def si_sdr(clean: Samples, heard: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, means removed (Le Roux et al. 2019)."""
    reference = clean.astype(np.float64) - clean.mean()
    signal = heard.astype(np.float64) - heard.mean()
    wanted = reference * (signal @ reference) / (reference @ reference)
    rest = signal - wanted
    return float(10 * np.log10((wanted @ wanted) / max(float(rest @ rest), 1e-20)))


def nearness(clean: Samples, heard: Samples) -> dict[str, float]:
    """PESQ-WB, STOI and SI-SDR of 16 kHz speech. Needs the packages `pesq` and `pystoi`."""
    from pesq import pesq
    from pystoi import stoi

    return {
        "PESQ-WB": float(pesq(16_000, clean, heard, "wb")),
        "STOI": float(stoi(clean, heard, 16_000)),
        "SI-SDR": si_sdr(clean, heard),
    }


class Dnsmos:
    """DNSMOS P.835 (Reddy et al. 2022): predicted opinions of speech, background and the whole, 1 to 5.

    The network is that of the package `speechmos`; its answers are bent as the package bends them.
    """

    def __init__(self) -> None:
        found = find_spec("speechmos")
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError("speechmos is not installed (pip install --no-deps speechmos)")
        import onnxruntime

        file = Path(found.submodule_search_locations[0]) / "dnsmos_models" / "sig_bak_ovr.onnx"
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), settings)

    def __call__(self, samples: Samples) -> dict[str, float]:
        """Mean over windows a second apart; what is shorter than a window is repeated to fill one."""
        window = int(MOS_WINDOW_S * 16_000)
        heard = np.clip(np.resize(samples, max(window, len(samples))), -1, 1)
        begins = range(0, len(heard) - window + 1, 16_000)
        answers = [self._session.run(None, {"input_1": heard[None, b : b + window]})[0][0] for b in begins]
        means = np.mean(
            [
                [np.polyval(bend, raw) for bend, raw in zip(MOS_BENDS.values(), one, strict=True)]
                for one in answers
            ],
            axis=0,
        )
        return dict(zip(MOS_BENDS, means.tolist(), strict=True))

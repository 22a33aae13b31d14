"""What the parts of the denoiser are worth, and what they cost.

python -m recipes.denoiser.measure ladder [--data ../shared/data] [--count 11] [--audio FOLDER]
python -m recipes.denoiser.measure speed [MODEL] [--frames 3000]
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.percepnet import Denoiser
from asr.percepnet.analysis import Analysis
from asr.percepnet.bands import audio_format
from asr.percepnet.inference import infer, new_network_state
from asr.percepnet.model import DenoiserModel, assemble, load_model, quantised
from asr.percepnet.network import SIZES, PercepNet
from asr.percepnet.synthesis import Shaping
from asr.percepnet.targets import analyse_signal, make_targets
from recipes.denoiser import peers
from recipes.denoiser.periods import combed_at
from recipes.denoiser.sounds import Pair, Samples, mixed_pairs, nearness
from recipes.denoiser.tables import Table, format_table, keep, means
from recipes.denoiser.whole import heard_with

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]
FORM = audio_format(16_000)
NOISE = "noise/train"


def ladder(pair: Pair) -> dict[str, Samples]:
    """The noisy signal, and what oracles of growing knowledge make of it."""
    clean, noisy = analyse_signal(FORM, pair.clean), analyse_signal(FORM, pair.noisy)
    targets = make_targets(FORM, clean, noisy)
    informed = noisy._replace(combed=combed_at(FORM, pair.noisy, clean.pitch[:, 0]))
    told = make_targets(FORM, clean, informed)
    none = np.zeros_like(targets.gains)
    magnitude = np.minimum(np.abs(clean.spectra) / np.maximum(np.abs(noisy.spectra), 1e-12), 1.0)
    length = len(pair.noisy)
    return {
        "noisy": pair.noisy,
        "bands": _heard(noisy, targets.gains, none, length),
        "bands, strength 1 everywhere": _heard(noisy, targets.gains, none + 1, length),
        "bands + comb, pitch of the noisy signal": _heard(noisy, targets.gains, targets.strengths, length),
        "bands + comb, pitch of the clean signal": _heard(informed, told.gains, told.strengths, length),
        "magnitude of every bin": _heard(
            noisy._replace(spectra=noisy.spectra * magnitude), none + 1, none, length
        ),
    }


def _heard(found: Analysis, gains: Float64, strengths: Float64, length: int) -> Samples:
    return heard_with(FORM, found, gains, strengths, Shaping(0.0, False))[:length]


def climb(pairs: Iterable[Pair], audio: Path | None) -> Table:
    """Mean scores of each rung over the pairs; with `audio`, the first pair is written there too."""
    rows: dict[str, list[dict[str, float]]] = {}
    for pair in pairs:
        for name, heard in ladder(pair).items():
            rows.setdefault(name, []).append(nearness(pair.clean, heard))
            if audio is not None:
                audio.mkdir(parents=True, exist_ok=True)
                file = audio / f"{pair.name}, {name}.flac"
                soundfile.write(file, np.clip(heard, -1, 1), 16_000)
        audio = None
    return {name: means(each) for name, each in rows.items()}


def speed(model: Path | None, frames: int) -> Table:
    """Processor microseconds per frame of 10 ms, and those of the parts; random weights without a model."""
    if model is not None:
        models = [load_model(model)]
    else:
        models = [random_model(size, rate) for size in SIZES for rate in (16_000, 48_000)]
    table = {f"{one.name}, {one.sample_rate // 1000} kHz": _speed_of(one, frames) for one in models}
    others = {"RNNoise 0.2": peers.rnnoise_frames, "DeepFilterNet3": peers.deepfilter_frames}
    for name, make in others.items():
        try:
            table[f"{name}, 48 kHz"] = _quantiles(_times(make(), _noise(48_000, frames)))
        except (ImportError, OSError) as error:
            log.warning("%s is left out: %s", name, error)
    return table


def _speed_of(model: DenoiserModel, frames: int) -> dict[str, float]:
    denoiser = Denoiser(model.sample_rate, model)
    noise = _noise(model.sample_rate, frames)
    streaming = _quantiles(_times(denoiser.process, noise))
    denoiser.denoise(noise.ravel())
    begun = time.thread_time()
    denoiser.denoise(noise.ravel())
    whole = 1e6 * (time.thread_time() - begun) / frames
    network = _network_time(model, frames)
    return {**streaming, "whole file": whole, "of it network": network, "of it the rest": whole - network}


def random_model(size: str, rate: int) -> DenoiserModel:
    """A model of a named shape that knows nothing."""
    network = PercepNet(replace(SIZES[size], bands=audio_format(rate).bands))
    return DenoiserModel(f"{size}, random", rate, assemble(quantised(network)))


def _noise(rate: int, frames: int) -> Samples:
    noise = 0.1 * np.random.default_rng(0).normal(size=(frames, audio_format(rate).hop))
    return noise.astype(np.float32)


def _times(process: Callable[[Samples], object], frames: Samples) -> Float64:
    """Microseconds of each call after the first hundred, of this thread alone."""
    times = []
    for frame in frames:
        begun = time.thread_time_ns()
        process(frame)
        times.append((time.thread_time_ns() - begun) / 1e3)
    return np.array(times[100:])


def _quantiles(times: Float64) -> dict[str, float]:
    return {"median": float(np.median(times)), "99th percentile": float(np.quantile(times, 0.99))}


def _network_time(model: DenoiserModel, frames: int) -> float:
    form = audio_format(model.sample_rate)
    features = np.random.default_rng(1).normal(size=(frames, form.features)).astype(np.float32)
    gains, strengths = np.zeros((2, frames, form.bands))
    state = new_network_state(model.weights)
    infer(model.weights, state, features[:100], gains[:100], strengths[:100])
    begun = time.thread_time()
    infer(model.weights, state, features, gains, strengths)
    return 1e6 * (time.thread_time() - begun) / frames


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("ladder", "speed"))
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=11)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    if given.what == "speed":
        table = speed(given.model, given.frames)
        keep(f"cost-{'random' if given.model is None else 'shipped'}", table)
        print(format_table(table))
        return
    for snr_db in (0.0, 5.0, 15.0):
        pairs = mixed_pairs(given.data, "speech/dev.jsonl", NOISE, snr_db, given.count, every=8)
        folder = given.audio / f"{snr_db:g} dB" if given.audio else None
        print(f"\n{snr_db:g} dB\n\n{format_table(climb(pairs, folder))}", flush=True)


if __name__ == "__main__":
    main()

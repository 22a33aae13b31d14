"""What the parts of the denoiser are worth, and what they cost.

python -m recipes.denoiser.measure ladder [--data ../shared/data] [--count 11] [--audio FOLDER]
python -m recipes.denoiser.measure table MODEL [--data ../shared/data] [--mixed]
python -m recipes.denoiser.measure speed [MODEL] [--frames 3000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.percepnet import DenoiseOptions, Denoiser
from asr.percepnet.analysis import Analysis, analyse, empty_analysis, new_analysis_state
from asr.percepnet.bands import audio_format
from asr.percepnet.inference import infer, new_network_state
from asr.percepnet.model import DenoiserModel, assemble, load_model, quantised
from asr.percepnet.network import SIZES, PercepNet
from asr.percepnet.synthesis import Shaping, new_synthesis_state, synthesise
from asr.percepnet.targets import analyse_signal, make_targets
from recipes.denoiser.periods import combed_at
from recipes.denoiser.sounds import Pair, Samples, mixed_pairs, recorded_pairs, scores

Float64 = NDArray[np.float64]
Table = dict[str, dict[str, float]]
FORM = audio_format(16_000)
NOISE = "noise/test"
SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)


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
    out = np.zeros((len(gains), FORM.hop))
    state, shaping = new_synthesis_state(FORM), Shaping(0.0, False)
    synthesise(FORM, state, found.spectra, found.combed, gains, strengths, shaping, out)
    return out.ravel()[FORM.hop : FORM.hop + length].astype(np.float32)


def systems(model: Path) -> Callable[[Pair], dict[str, Samples]]:
    """The noisy signal and what a model makes of it, in the ways it can be used."""
    loaded = load_model(model)
    ways = {
        "denoised": DenoiseOptions(),
        "denoised, post-filter": DenoiseOptions(post_filter=True),
        "denoised, floor -15 dB": DenoiseOptions(floor_db=-15),
        "denoised, a fifth mixed back": DenoiseOptions(mix=0.2),
    }
    denoisers = {name: Denoiser(16_000, loaded, options) for name, options in ways.items()}

    def run(pair: Pair) -> dict[str, Samples]:
        return {"noisy": pair.noisy} | {name: one.denoise(pair.noisy) for name, one in denoisers.items()}

    return run


def mean_scores(
    pairs: Iterable[Pair], run: Callable[[Pair], dict[str, Samples]], audio: Path | None = None
) -> Table:
    """Mean scores of each system over the pairs; with `audio`, the first pair is written there too."""
    rows: dict[str, list[dict[str, float]]] = {}
    for pair in pairs:
        for name, heard in run(pair).items():
            rows.setdefault(name, []).append(scores(pair.clean, heard))
            if audio is not None:
                audio.mkdir(parents=True, exist_ok=True)
                file = audio / f"{pair.name}, {name}.flac"
                soundfile.write(file, np.clip(heard, -1, 1), 16_000)
        audio = None
    return {
        name: {measure: float(np.mean([one[measure] for one in each])) for measure in each[0]}
        for name, each in rows.items()
    }


def format_table(table: Table) -> str:
    """A Markdown table."""
    measures = list(next(iter(table.values())))
    lines = [f"| | {' | '.join(measures)} |", "| --- |" + " --- |" * len(measures)]
    for name, row in table.items():
        cells = (f"{value:.2f}" if measure != "STOI" else f"{value:.3f}" for measure, value in row.items())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def speed(model: Path | None, frames: int) -> Table:
    """Microseconds per frame of 10 ms, streaming, and those of the parts; random weights without a model."""
    table: Table = {}
    if model is not None:
        models = {model.name: load_model(model)}
    else:
        models = {
            f"{size}, {rate // 1000} kHz": random_model(size, rate)
            for size in SIZES
            for rate in (16_000, 48_000)
        }
    for name, loaded in models.items():
        denoiser = Denoiser(loaded.sample_rate, loaded)
        noise = 0.1 * np.random.default_rng(0).normal(size=(frames, denoiser.frame_size))
        whole = _times(denoiser.process, list(noise.astype(np.float32)))
        table[name] = {
            "median": float(np.median(whole)),
            "99th percentile": float(np.quantile(whole, 0.99)),
            "of it network (mean)": _network_time(loaded, frames),
            "analysis (mean)": _analysis_time(loaded.sample_rate, noise),
        }
    return table


def random_model(size: str, rate: int) -> DenoiserModel:
    """A model of a named shape that knows nothing."""
    network = PercepNet(replace(SIZES[size], bands=audio_format(rate).bands))
    return DenoiserModel(size, rate, assemble(quantised(network)))


def _times(process: Callable[[Samples], Samples], frames: list[Samples]) -> Float64:
    """Microseconds of each call after the first hundred."""
    times = []
    for frame in frames:
        begun = time.perf_counter()
        process(frame)
        times.append(1e6 * (time.perf_counter() - begun))
    return np.array(times[100:])


def _network_time(model: DenoiserModel, frames: int) -> float:
    form = audio_format(model.sample_rate)
    features = np.random.default_rng(1).normal(size=(frames, form.features)).astype(np.float32)
    gains, strengths = np.zeros((2, frames, form.bands))
    begun = time.perf_counter()
    infer(model.weights, new_network_state(model.weights), features, gains, strengths)
    return 1e6 * (time.perf_counter() - begun) / frames


def _analysis_time(rate: int, hops: Float64) -> float:
    form = audio_format(rate)
    found, state = empty_analysis(form, len(hops)), new_analysis_state(form)
    begun = time.perf_counter()
    analyse(form, state, hops, found)
    return 1e6 * (time.perf_counter() - begun) / len(hops)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("ladder", "table", "speed"))
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=11)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--frames", type=int, default=3000)
    given = parser.parse_args()
    if given.what == "speed":
        print(format_table(speed(given.model, given.frames)))
    elif given.what == "ladder":
        for snr_db in (0.0, 5.0, 15.0):
            pairs = mixed_pairs(given.data, "speech/dev.jsonl", NOISE, snr_db, given.count)
            print(f"\n{snr_db:g} dB\n\n{format_table(mean_scores(pairs, ladder, given.audio))}")
    elif given.model is None:
        parser.error("table needs a MODEL")
    else:
        print(
            f"denoise-test\n\n{format_table(mean_scores(recorded_pairs(given.data), systems(given.model)))}"
        )
        for snr_db in SNRS_DB if given.mixed else ():
            pairs = mixed_pairs(given.data, "speech/test-dev8.jsonl", NOISE, snr_db, 2 * given.count)
            print(f"\n{snr_db:g} dB\n\n{format_table(mean_scores(pairs, systems(given.model)))}")


if __name__ == "__main__":
    main()

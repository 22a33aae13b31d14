"""Denoisers beside each other on the same recordings: what is left of the noise, and of the speech.

python -m recipes.denoiser.compare runs/denoiser [--data ../shared/data] [--on recorded mixed] [--mos]
    [--dtln FOLDER]

The folder is that of a training run; a model folder without the run does as well, for 8 bits alone. Scores
are kept in `--kept`, so that a stopped comparison goes on; a system's are made anew when its weights change.
`python -m recipes.denoiser.tables` makes tables of the means.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from asr.percepnet import DenoiseOptions, Denoiser
from asr.percepnet.bands import audio_format
from asr.percepnet.listening import TUNED_MIX
from asr.percepnet.model import CONFIG_FILE, WEIGHTS_FILE, load_model
from asr.percepnet.network import NetworkConfig, PercepNet
from asr.percepnet.synthesis import Shaping
from asr.percepnet.targets import analyse_signal
from asr.percepnet.training.warm import FLOAT_FILE
from recipes.denoiser.peers import Denoise, in_time, installed_peers
from recipes.denoiser.sounds import Dnsmos, Pair, Samples, mixed_pairs, nearness, recorded_pairs
from recipes.denoiser.tables import format_table, keep, means
from recipes.denoiser.whole import heard_with
from recipes.kept import Kept

SNRS_DB = (0.0, 5.0, 10.0, 15.0, 20.0)
SPEECH, NOISE = "speech/test-dev8.jsonl", "noise/test"
RATE = 16_000

Systems = dict[str, tuple[str, Denoise]]
"""By name: what tells its weights from others, and what it does."""


def our_systems(run: Path) -> Systems:
    """A trained network in the ways it can be used."""
    folder = run / "model" if (run / "model").is_dir() else run
    model, key = load_model(folder), hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()[:12]
    ways = {
        "ours, 8 bits": DenoiseOptions(),
        "ours, 8 bits, post-filter": DenoiseOptions(post_filter=True),
        f"ours, 8 bits, {TUNED_MIX:g} mixed back": DenoiseOptions(mix=TUNED_MIX),
    }
    found: Systems = {name: (key, Denoiser(RATE, model, way).denoise) for name, way in ways.items()}
    if (run / FLOAT_FILE).is_file():
        return {"ours, float": (key, in_floats(run / FLOAT_FILE, folder / CONFIG_FILE)), **found}
    return found


def in_floats(weights: Path, config: Path) -> Denoise:
    """The network as trained, in torch."""
    network = PercepNet(NetworkConfig(**json.loads(config.read_text())["network"])).eval()
    network.load_state_dict(load_file(weights))
    form = audio_format(RATE)

    @torch.inference_mode()
    def run(samples: Samples) -> Samples:
        found = analyse_signal(form, samples)
        gains, strengths = (
            part[0].double().numpy() for part in network(torch.from_numpy(found.features)[None])
        )
        return heard_with(form, found, gains, strengths, Shaping(10**-4, False))[: len(samples)]

    return run


def all_systems(run: Path, dtln: Path | None, probe: Samples) -> Systems:
    """The noisy signal, ours, and the peers that are installed."""
    peers = {name: ("", in_time(denoise, probe)) for name, denoise in installed_peers(dtln).items()}
    return {"noisy": ("", lambda samples: samples), **our_systems(run), **peers}


class Scores:
    """Scores of systems on recordings, made once."""

    def __init__(self, file: Path, mos: Dnsmos | None) -> None:
        self._kept, self._mos = Kept(file), mos

    def of(self, condition: str, pair: Pair, system: tuple[str, str, Denoise]) -> dict[str, float]:
        """Scores of one system on one pair."""
        name, weights, denoise = system
        key = (condition, pair.name, name, weights)
        heard = cache(lambda: denoise(pair.noisy))
        found = self._kept.of((*key, "near"), lambda: nearness(pair.clean, heard()))
        if self._mos is None:
            return found
        mos = self._mos
        return found | self._kept.of((*key, "mos"), lambda: mos(heard()))


def compare(condition: str, pairs: Iterable[Pair], systems: Systems, kept: Scores) -> dict[str, Any]:
    """Means over the recordings, with what PESQ gained and half of the 95 % interval of that."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for pair in pairs:
        for name, (weights, denoise) in systems.items():
            rows[name].append(kept.of(condition, pair, (name, weights, denoise)))
    count = len(rows["noisy"])
    table = {}
    for name, each in rows.items():
        gained = [one["PESQ-WB"] - noisy["PESQ-WB"] for one, noisy in zip(each, rows["noisy"], strict=True)]
        spread = 1.96 * float(np.std(gained)) / max(count, 1) ** 0.5
        table[name] = {**means(each), "PESQ gained": float(np.mean(gained)), "±": spread}
    print(f"{condition}, {count} recordings\n\n{format_table(table)}\n", flush=True)
    return {"recordings": count, "systems": table}


def main() -> None:
    """Compare as the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--on",
        nargs="+",
        choices=("recorded", "mixed"),
        default=["recorded"],
        help="denoise-test, or test-dev8 in the noises of noise/test",
    )
    parser.add_argument("--count", type=int, default=20, help="utterances at each ratio")
    parser.add_argument("--mos", action="store_true", help="also DNSMOS, which takes the longest")
    parser.add_argument("--dtln", type=Path, help="folder of the DTLN models")
    parser.add_argument("--kept", type=Path, default=Path("runs/denoiser-scores.jsonl"))
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    recorded = list(recorded_pairs(given.data))
    kept = Scores(given.kept, Dnsmos() if given.mos else None)
    systems = all_systems(given.run, given.dtln, np.concatenate([pair.clean for pair in recorded[:3]]))
    if "recorded" in given.on:
        keep("sounds-denoise-test", compare("denoise-test", recorded, systems, kept))
    for snr_db in SNRS_DB if "mixed" in given.on else ():
        pairs = mixed_pairs(given.data, SPEECH, NOISE, snr_db, given.count)
        found = compare(f"test-dev8 at {snr_db:g} dB", pairs, systems, kept)
        keep(f"sounds-test-dev8-{snr_db:g}dB", {"snr_db": snr_db, **found})


if __name__ == "__main__":
    main()

"""One denoiser out of several trainings of one shape: a weighted mean of their weights, its gains lowered.

python -m recipes.denoiser.blend runs/a/model runs/a/best=0.6 runs/b/best=0.4 --lower 0.12 --out runs/c/model

A part is a file of float weights, or a folder of them (`best` of a run), whose plain mean it is. The first
argument is a model folder of the shape.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from asr.percepnet.model import CONFIG_FILE, save_model
from asr.percepnet.network import NetworkConfig, PercepNet

Weights = dict[str, Tensor]


def blended(parts: list[tuple[Weights, float]], lower: float) -> Weights:
    """The mean of weights by their shares, the logits of all gains `lower` below it.

    Source: averaging of weights after Wortsman et al. 2022, "Model soups", equation 1 with shares.
    """
    total = sum(share for _, share in parts)
    mean = {
        name: torch.stack([weights[name] * (share / total) for weights, share in parts]).sum(0)
        for name in parts[0][0]
    }
    mean["gain_head.bias"] = mean["gain_head.bias"] - lower
    return mean


def read_part(path: Path) -> Weights:
    """The weights of a file, or the mean of those of a folder."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise SystemExit(f"{path}: no weights; give a .safetensors file or a folder of them")
    return blended([(load_file(file), 1.0) for file in files], 0.0)


def share_of(text: str) -> tuple[Path, float]:
    """PATH=SHARE."""
    path, _, share = text.rpartition("=")
    try:
        found = Path(path), float(share)
    except ValueError:
        found = Path(path), 0.0
    if not found[1] > 0:
        raise argparse.ArgumentTypeError(f"{text}: give PATH=SHARE, more than 0, such as runs/a/best=0.4")
    return found


def main() -> None:
    """Read the arguments, write the model folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shape", type=Path, help="a model folder of the shape")
    parser.add_argument("parts", type=share_of, nargs="+", help="PATH=SHARE")
    parser.add_argument("--lower", type=float, default=0.0, help="what is taken from the logits of all gains")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    arguments = parser.parse_args()
    try:
        config = json.loads((arguments.shape / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{arguments.shape}: no denoiser's folder ({error})") from error
    network = PercepNet(NetworkConfig(**config["network"]))
    parts = [(read_part(path), share) for path, share in arguments.parts]
    try:
        network.load_state_dict(blended(parts, arguments.lower))
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise SystemExit(f"weights of another shape than {arguments.shape}: {reason}") from error
    save_model(network, config["sample_rate"], arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()

"""Where the weights that come with this version are."""

from __future__ import annotations

from pathlib import Path

from asr.percepnet.model import DenoiserModelError

PRETRAINED = Path(__file__).parents[1] / "pretrained"


def shipped_folder(sample_rate: int) -> Path:
    """The model folder for a rate. Raises `DenoiserModelError` where there is none."""
    folder = PRETRAINED / f"denoiser-{sample_rate // 1000}k"
    if not folder.is_dir():
        raise DenoiserModelError(
            f"no denoiser for {sample_rate} Hz comes with this version; train one "
            "(onoma train recipes/denoiser/config.toml) and name its folder"
        )
    return folder

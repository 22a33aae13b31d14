"""What the frozen base hears in training: anew in each step under masks, or once, kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from asr.adapter_files import base_digest
from asr.features import SpecAugmentConfig, spec_augment
from asr.model import ConformerCTC
from asr.phones import PHONES
from asr.training.cache import AudioCache
from asr.training.config import AugmentConfig
from asr.training.data import Batch
from asr.training.feature_cache import FeatureCache, Features, extract
from biasing.adapter import Heard


@torch.no_grad()
def hear_masked(
    model: ConformerCTC, batch: Batch, chosen: AugmentConfig, generator: torch.Generator, bf16: bool
) -> Heard:
    """What the base hears in a batch of recordings, under masks."""
    features, lengths = model.features(batch.samples, batch.lengths)
    masks = SpecAugmentConfig(
        chosen.band_masks,
        chosen.band_width,
        chosen.time_masks_per_second,
        chosen.time_width,
        model.frontend.frame_rate,
    )
    features = spec_augment(features, lengths, masks, generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        output = model.encode(features, lengths)
    states = [x.float() for x in output.states]
    return Heard(states, output.log_probs, output.phone_log_probs, output.lengths)


def keep_heard(
    model: ConformerCTC,
    paths: Sequence[Path],
    inputs: AudioCache | FeatureCache,
    folder: Path,
    base: Path,
    bf16: bool,
) -> FeatureCache:
    """What the base hears in recordings as they are: a frame's states, then the phones' log-probs.

    Computed where it is not kept yet; each base has a folder of its own in `folder`. `inputs` are their
    samples, or the states that the base's pretrained encoder gives for them.
    """

    @torch.no_grad()
    def hear(path: Path) -> Features:
        given = torch.from_numpy(np.asarray(inputs[path], np.float32))[None]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            output = model(given, torch.tensor([given.shape[1]]))
        frames = torch.cat([x[0].float() for x in (*output.states, output.phone_log_probs)], dim=1)
        return frames[: int(output.lengths[0])].numpy().astype("float16")

    return extract(paths, folder / base_digest(base)[:8], hear, _width(model))


@torch.no_grad()
def heard_of(model: ConformerCTC, batch: Batch) -> Heard:
    """What is kept of a batch, as the base heard it."""
    widths = [*[model.config.encoder.dim] * _layers(model), len(PHONES) + 1]
    *states, said = torch.split(batch.samples, widths, dim=-1)
    return Heard(states, model.head(states[-1]), said, batch.lengths)


def _layers(model: ConformerCTC) -> int:
    return len(model.config.intermediate_layers) + 1


def _width(model: ConformerCTC) -> int:
    return _layers(model) * model.config.encoder.dim + len(PHONES) + 1

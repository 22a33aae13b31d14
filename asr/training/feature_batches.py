"""Training on cached states of a pretrained encoder: the copies of the data, and batches drawn from them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from asr.features import Frontend
from asr.frontends import PretrainedConfig
from asr.pretrained_encoder import PretrainedEncoder
from asr.training.augment import Augmenter
from asr.training.cache import AudioCache, Samples
from asr.training.config import ConfigError, FeaturesConfig
from asr.training.data import Batch, BatchPlan, Example, collate
from asr.training.distributed import Team
from asr.training.feature_cache import FeatureCache, Features, extract
from asr.training.splicing import Splicer

log = logging.getLogger(__name__)

MASKS = ("band_masks", "band_width", "time_masks_per_second", "time_width")
"""Augmentation that is drawn anew in every epoch, so that it does not tell copies apart."""


@dataclass(frozen=True)
class FeatureMaker:
    """Turns recordings into states with one encoder, clean or augmented."""

    encoder: Frontend
    config: PretrainedConfig
    options: FeaturesConfig
    threads: int

    def clean(self, audio: AudioCache, paths: Sequence[Path]) -> FeatureCache:
        """The states of the recordings as they are."""
        return self._extract("clean", paths, lambda path: self._states(audio[path]))

    def augmented(
        self, audio: AudioCache, examples: Sequence[Example], augmenter: Augmenter, seed: int
    ) -> list[FeatureCache]:
        """`copies` caches, each of the examples that have so many.

        What happens to a recording depends on seed, copy and its name alone.
        """
        chain = {name: value for name, value in asdict(augmenter.config).items() if name not in MASKS}
        key = hashlib.sha256(json.dumps([chain, seed], sort_keys=True).encode()).hexdigest()[:8]

        def encoder_of(copy: int) -> Callable[[Path], Features]:
            def encode(path: Path) -> Features:
                name = int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4], "big")
                return self._states(augmenter(audio[path], np.random.default_rng((seed, copy, name))))

            return encode

        caches = []
        for copy in range(self.options.copies):
            paths = [example.audio for example in examples if not 0 <= example.copies <= copy]
            caches.append(self._extract(f"{key}-{copy}", paths, encoder_of(copy)))
        return caches

    def _states(self, samples: Samples) -> Features:
        assert isinstance(self.encoder, PretrainedEncoder)
        return self.encoder.states(samples).astype(np.float16)

    def _extract(self, copy: str, paths: Sequence[Path], encode: Callable[[Path], Features]) -> FeatureCache:
        name = f"{self.config.encoder}-{self.config.sha256[:8]}-{copy}"
        folder = Path(self.options.cache) / name
        log.info("features of %d recordings in %s", len(paths), folder)
        return extract(paths, folder, encode, self.config.dim, self.threads)


class FeatureBatchMaker:
    """Pads the cached features of one step's examples that fall to one process, each from a random copy.

    With a splicer, a share of them gives way to sentences that nobody said.
    """

    teacher = None

    def __init__(
        self,
        plan: BatchPlan,
        copies: Sequence[FeatureCache],
        team: Team,
        splicer: Splicer | None = None,
        share: float = 0.0,
    ) -> None:
        if not copies:
            raise ConfigError("features: neither a clean nor an augmented copy to train on")
        self.plan, self.copies, self.team = plan, tuple(copies), team
        self.splicer, self.share = splicer, share

    def __call__(self, epoch: int, position: int, indices: Sequence[int]) -> Batch:
        """The batch of this process; the copies drawn depend on seed, epoch and place alone."""
        mine = range(self.team.rank, len(indices), self.team.world)
        examples = [self.plan.examples[indices[at]] for at in mine]
        made = [
            self._made(example, np.random.default_rng((self.plan.seed, epoch, position, at)))
            for at, example in zip(mine, examples, strict=True)
        ]
        return collate([example for example, _ in made], [features for _, features in made])

    def _made(self, example: Example, chance: np.random.Generator) -> tuple[Example, Features]:
        held = [copy for copy in self.copies if example.audio in copy]
        features = held[int(chance.integers(len(held)))][example.audio]
        if self.splicer is None or chance.random() >= self.share:
            return example, features
        return self.splicer(example, chance) or (example, features)

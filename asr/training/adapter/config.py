"""Options of an adapter's training; see `asr.training.config` for how a TOML file becomes these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from asr.training.config import (
    AugmentConfig,
    ConfigError,
    DataConfig,
    FeaturesConfig,
    OptimizerConfig,
    RunConfig,
    TrainConfig,
)
from biasing.adapter import AdapterConfig


@dataclass(frozen=True)
class ListsConfig:
    """Which phrases the adapter learns with."""

    common: str = ""
    """Common words, one a line, relative to `data.root`; empty: the base's language model says."""
    distractors: tuple[str, ...] = ()
    """Files of further phrases, one a line, relative to `data.root`, besides the transcripts' rare words."""
    test_hash: int = 0
    """Phrases are kept for tests when the first byte of the MD5 of their lower case is divisible by this, and
    never used; 0 keeps none."""
    nothing: float = 0.4
    """Share of utterances in which no phrase of their list is spoken."""
    dropped: float = 0.1
    """Share of rare words that their utterance's list lacks."""
    spans: int = 2
    """Phrases of one to `longest_span` words of any kind, in each of the other utterances."""
    longest_span: int = 3
    """Words in such a phrase."""
    smallest: int = 10
    """Phrases in the smallest lists."""
    largest: tuple[int, ...] = (50, 100, 200, 500)
    """Phrases in the largest lists, in equal parts of the run."""
    hard: int = 2
    """Phrases that sound like each spoken one, in the last third of the run."""
    dev_size: int = 100
    """Distractors in the lists on which checkpoints are chosen."""
    dev_utterances: int = 120
    """Utterances of dev that are scored while it trains."""

    def __post_init__(self) -> None:
        if not self.largest or not 1 <= self.smallest <= min(self.largest):
            raise ConfigError(
                f"lists: smallest is {self.smallest}, largest {self.largest}; give 1 <= smallest <= largest"
            )


@dataclass(frozen=True)
class AdapterLossConfig:
    """Weights of the losses; each is a mean over tokens or frames."""

    ctc: float = 1.0
    """CTC of the whole transcript."""
    attention: float = 1.0
    """Frames of a phrase look at it, all others at the no-bias entry."""
    pieces: float = 0.5
    """Frames of a phrase look at its sub-word that is said, or at its blanks between."""
    phrases: float = 0.1
    """CTC of the phrases alone, from what is added to the states alone."""


@dataclass(frozen=True)
class AdapterTrainConfig:
    """A whole training configuration."""

    task: Literal["adapter"] = "adapter"
    base: str = "base-en"
    """Shipped model or model folder whose encoder stays as it is."""
    shape: dict[str, int | bool] = field(default_factory=dict)
    """What differs from the default shape: dim, hidden, context, intermediate, last."""
    states: str = ""
    """Folder for what the base hears in the training speech, computed once and without augmentation, 145 MB
    an hour; empty: computed in each step, from augmented speech under masks."""
    data: DataConfig = field(default_factory=DataConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    lists: ListsConfig = field(default_factory=ListsConfig)
    loss: AdapterLossConfig = field(default_factory=AdapterLossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def inputs(self, base: str) -> TrainConfig:
        """What reads the data in the way of a recognizer's training that starts from `base`."""
        from dataclasses import replace

        run = replace(self.run, start=base)
        return TrainConfig(data=self.data, features=self.features, augment=self.augment, run=run)

    def adapter(self, state_dim: int, layers: int) -> AdapterConfig:
        """The adapter's shape for an encoder. Raises `ConfigError` on settings that there are not."""
        try:
            return AdapterConfig(**{**self.shape, "state_dim": state_dim, "layers": layers})  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"shape: {error}") from error

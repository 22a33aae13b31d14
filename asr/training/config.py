"""Training options: a TOML file becomes frozen dataclasses; anything unknown is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from asr.lora import TARGETS, LoraConfig
from asr.settings import ConfigError, build, read_settings

__all__ = [
    "AugmentConfig",
    "ConfigError",
    "DataConfig",
    "FeaturesConfig",
    "LoraTrainingConfig",
    "LossConfig",
    "OptimizerConfig",
    "RunConfig",
    "SourceConfig",
    "SpliceConfig",
    "TrainConfig",
    "build",
    "load_config",
    "read_settings",
]


@dataclass(frozen=True)
class SourceConfig:
    """One manifest, or one source within it, and how often its utterances are drawn."""

    manifest: str
    """JSON-lines manifest, relative to `root`."""
    source: str = ""
    """Only utterances of this source; empty: all that no other entry names."""
    weight: float = 1.0
    """Draws per utterance and epoch: 0.5 takes every other one, 2 takes each twice."""
    root: str = ""
    """Folder of speech that lies elsewhere; empty: `data.root`."""
    copies: int = -1
    """Augmented copies of its states, at most `features.copies`; -1: as many. Many hours need few copies."""


@dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    root: str = "../shared/data"
    """Data folder."""
    sources: tuple[SourceConfig, ...] = ()
    """Training manifests with weights."""
    dev: str = "speech/dev.jsonl"
    """Manifest for choosing checkpoints, relative to `root`."""
    lexicon: str = "lexicon/cmudict.dict"
    """CMUdict file for the phone targets, relative to `root`; empty: there are none."""
    text: tuple[str, ...] = ()
    """Texts (.txt, .gz or .xz) for the tokenizer, relative to `root`, besides the manifests' transcripts."""
    tokenizer: str = ""
    """SentencePiece model of another model folder to share, so that its language model and phrase lists serve
    both; empty: train one."""
    noise: str = "noise/train"
    """Folder of noise recordings, relative to `root`; empty for none."""
    cache: str = "runs/cache"
    """Folder for decoded audio."""
    teacher: str = ""
    """Folder of a pretrained encoder's states for all training audio; see `asr.training.feature_cache`."""
    teacher_frame_seconds: float = 0.024
    """Seconds between these states."""
    min_seconds: float = 0.5
    """Shorter utterances are left out."""
    max_seconds: float = 18.0
    """Longer utterances are left out."""
    batch_seconds: float = 96.0
    """Audio per optimizer step, over all processes, padding included."""


@dataclass(frozen=True)
class FeaturesConfig:
    """States of a pretrained encoder, computed once; without such an encoder nothing here is used."""

    cache: str = "runs/features"
    """Folder for the states, 86 MB an hour and copy of Moonshine's."""
    copies: int = 2
    """Copies with different augmentation, besides the clean one."""


@dataclass(frozen=True)
class SpliceConfig:
    """Sentences of texts, said by joining pieces of cached states; see `asr.training.splicing`."""

    share: float = 0.0
    """Share of what is drawn that is replaced by such sentences; above 0, `run.start` finds the pieces, whose
    states are held in memory by each process, up to 0.3 GB a voice of Whisper-base's."""
    texts: tuple[str, ...] = ()
    """Texts (.txt, .gz or .xz), a sentence a line without punctuation, relative to `data.root`."""


@dataclass(frozen=True)
class LoraTrainingConfig:
    """Low-rank deltas trained on the pretrained encoder (Hu et al. 2021), together with our layers."""

    rank: int = 0
    """Rank of the deltas; 0: the encoder stays frozen, and its states are computed once."""
    alpha: float = 16.0
    """The deltas are scaled by `alpha / rank`."""
    targets: tuple[str, ...] = TARGETS
    """Linear layers of the encoder that get a delta, by the ends of their names, with `*`."""
    learning_rate: float = 5e-4
    """Peak rate of the deltas, which AdamW moves without decay; it rises and falls as that of our layers."""

    @property
    def deltas(self) -> LoraConfig | None:
        """Shape and places of the deltas. Raises `LoraError` when there can be none such."""
        return LoraConfig(self.rank, self.alpha, self.targets) if self.rank else None


@dataclass(frozen=True)
class AugmentConfig:
    """What training audio goes through; probabilities are per utterance."""

    speed: tuple[float, float] = (0.9, 1.1)
    """Range of playing speeds."""
    noise_probability: float = 0.3
    """Share of utterances mixed with noise."""
    snr_db: tuple[float, float] = (5.0, 30.0)
    """Range of speech-to-noise ratios."""
    room_probability: float = 0.1
    """Share of utterances played in a simulated room."""
    equalizer_probability: float = 0.0
    """Share of utterances whose spectrum is bent by up to 8 dB an octave band."""
    telephone_probability: float = 0.0
    """Share of utterances cut to 300 to 3400 Hz and 8-bit mu-law."""
    codec_probability: float = 0.0
    """Share of utterances that go through MP3, Vorbis or Opus at low rates."""
    silence_probability: float = 0.0
    """Share of utterances replaced by noise or near silence, with nothing to be heard in them."""
    gain_db: tuple[float, float] = (-10.0, 6.0)
    """Range of levels."""
    denoise_probability: float = 0.0
    """Share of utterances that the shipped denoiser hears last of all, a random share of them mixed back."""
    band_masks: int = 2
    """SpecAugment masks over mel bands."""
    band_width: int = 20
    """Largest band mask."""
    time_masks_per_second: float = 0.5
    """SpecAugment masks over time."""
    time_width: int = 25
    """Largest time mask in feature frames."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses."""

    intermediate: float = 0.3
    """`w` of Lee & Watanabe 2021: (1 - w) final CTC + w mean of the intermediate CTCs."""
    phone: float = 0.3
    """Weight of the phone CTC, added."""
    attention: float = 0.0
    """Weight of an attention decoder's cross-entropy, added; 0 leaves the decoder out."""
    teacher: float = 0.0
    """Weight of the squared distance to a teacher's states (`data.teacher`), added; 0 leaves it out."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights move."""

    name: Literal["adamw", "muon"] = "adamw"
    """AdamW for all, or Muon (Jordan et al. 2024) for the encoder's matrices and AdamW for the rest."""
    learning_rate: float = 1.5e-3
    """Peak rate."""
    weight_decay: float = 0.01
    """Decoupled decay of matrices."""
    warmup_steps: int = 300
    """Linear rise."""
    total_steps: int = 10_000
    """Steps in all."""
    decay_share: float = 0.5
    """Last share of the steps, over which the rate falls linearly to zero."""
    clip_norm: float = 5.0
    """Gradient norm above which gradients are scaled down."""


@dataclass(frozen=True)
class RunConfig:
    """Bookkeeping of a run."""

    out: str = "runs/base"
    """Folder for checkpoints, logs and curves."""
    start: str = ""
    """Model folder whose weights and tokenizer a new run begins with; empty: from scratch."""
    seed: int = 1
    """Fixes weights, data order, augmentation and dropout."""
    precision: Literal["bf16", "float32"] = "bf16"
    """Autocast type of the forward pass."""
    device: str = "cpu"
    """Torch device; with several processes, `cuda` takes one GPU each."""
    log_steps: int = 20
    """Steps between log lines."""
    eval_steps: int = 500
    """Steps between evaluations on dev."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints."""
    keep_best: int = 3
    """Checkpoints kept by dev word error rate, and averaged into the final weights."""
    threads: int = 1
    """CPU threads per process."""

    def __post_init__(self) -> None:
        if min(self.log_steps, self.eval_steps, self.threads) < 1:
            raise ConfigError("run: log_steps, eval_steps and threads must be 1 or more")


@dataclass(frozen=True)
class TrainConfig:
    """A whole training configuration."""

    size: str = "base"
    """Named model shape; see `asr.model.SIZES`."""
    model: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the named shape."""
    data: DataConfig = field(default_factory=DataConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    splice: SpliceConfig = field(default_factory=SpliceConfig)
    lora: LoraTrainingConfig = field(default_factory=LoraTrainingConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.splice.share <= 1:
            raise ConfigError(f"splice.share is {self.splice.share}; give 0 to 1")
        if self.splice.share and not (self.run.start and self.data.lexicon and self.splice.texts):
            raise ConfigError(
                "splice.share needs splice.texts, data.lexicon and run.start, a model that finds the phones"
            )


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> TrainConfig:
    """The configuration in a TOML file, with overrides; see `read_settings`.

    Raises `ConfigError` on a missing file, wrong TOML, or an unknown or ill-typed key, naming it.
    """
    return build(TrainConfig, read_settings(path, overrides), str(path))

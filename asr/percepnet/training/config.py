"""Options of a denoiser's training; see `asr.training.config` for how a TOML file becomes these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from asr.percepnet.bands import FormatError, audio_format
from asr.percepnet.network import SIZES, NetworkConfig
from asr.training.config import ConfigError, OptimizerConfig, SourceConfig, build


@dataclass(frozen=True)
class SpeechConfig:
    """Clean speech and noise."""

    root: str = "../shared/data"
    """Data folder."""
    sources: tuple[SourceConfig, ...] = ()
    """Training manifests; an utterance is drawn as often as its weight says, relative to the others."""
    dev: str = "speech/dev.jsonl"
    """Manifest of the speech that checkpoints are chosen on, relative to `root`."""
    dev_every: int = 1
    """Every so many utterances of `dev` are taken; those are never trained on."""
    noise: str = "noise/train"
    """Folder of noise recordings, relative to `root`."""
    dev_noise_every: int = 8
    """Every so many noise recordings one is kept for dev."""
    cache: str = "runs/cache"
    """Folder for decoded audio and for mixtures."""
    min_seconds: float = 0.5
    """Shorter utterances are left out."""
    max_seconds: float = 18.0
    """Longer utterances are left out."""


@dataclass(frozen=True)
class MixConfig:
    """How speech and noise become a training example; probabilities are per example."""

    count: int = 6000
    """Examples; they are made once, and each epoch goes through all of them in another order."""
    seconds: float = 4.0
    """Length of an example."""
    snr_db: tuple[float, float] = (-5.0, 35.0)
    """Range of speech-to-noise ratios."""
    snr_skew: float = 1.5
    """Ratios are drawn as a power of a uniform number: above 1 prefers low ratios."""
    noise_free_probability: float = 0.05
    """Share of examples without noise."""
    second_noise_probability: float = 0.4
    """Share of noises made of two."""
    babble_probability: float = 0.12
    """Share of noises made of several talkers."""
    babble_room_probability: float = 0.5
    """Share of babbles heard in a simulated room. 16 kHz only."""
    synthetic_probability: float = 0.15
    """Share of noises made of random numbers: hiss, hum, clatter."""
    noise_speed: tuple[float, float] = (0.6, 1.6)
    """Range of speeds that recordings of noise are played at."""
    speech_speed: tuple[float, float] = (0.85, 1.18)
    """Range of speeds that speech is played at; pitch and formants move along."""
    swell_probability: float = 0.3
    """Share of noises that become louder and quieter."""
    bend_db: float = 5.0
    """Standard deviation of the smooth equalizer that each noise goes through."""
    room_probability: float = 0.2
    """Share of examples spoken in a simulated room; early reflections stay in the target. 16 kHz only."""
    early_ms: float = 20.0
    """Reflections after the direct sound that the target keeps."""
    tilt: float = 0.375
    """Largest coefficient of the random filters that colour speech and noise, each its own."""
    level_db: tuple[float, float] = (-45.0, -12.0)
    """Range of the mixture's level, relative to full scale."""
    clip_probability: float = 0.05
    """Share of mixtures clipped."""
    low_pass_probability: float = 0.1
    """Share of examples cut off at a random frequency above 3 kHz."""
    attenuate: bool = False
    """Whether gains hold the extra attenuation of noise between harmonics; of no use to a recognizer."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"mix.count is {self.count}; it must be 1 or more")
        if self.seconds < 0.5 or self.snr_db[0] > self.snr_db[1] or self.level_db[0] > self.level_db[1]:
            raise ConfigError("mix: seconds must be 0.5 or more, and ranges go from low to high")
        for name in ("noise_speed", "speech_speed"):
            slowest, fastest = getattr(self, name)
            if not 0 < slowest <= fastest:
                raise ConfigError(f"mix.{name}: {slowest} to {fastest} is no range of speeds")


@dataclass(frozen=True)
class LossConfig:
    """What the network is held to; see `asr.percepnet.training.loss`."""

    gain_exponent: float = 0.3
    """Gains are compared by this power: the lower, the more what is left of loud noise counts."""
    excess_weight: float = 1.5
    """Of squared differences of gains that are too high, which leave noise, beside those that are too low."""
    strength_weight: float = 0.25
    """Of the strengths' part."""

    def __post_init__(self) -> None:
        if not 0 < self.gain_exponent <= 1:
            raise ConfigError(f"loss.gain_exponent is {self.gain_exponent}; it must be above 0 and at most 1")
        if self.excess_weight <= 0 or self.strength_weight < 0:
            raise ConfigError("loss.excess_weight must be above 0, loss.strength_weight 0 or more")


@dataclass(frozen=True)
class DenoiserRunConfig:
    """Bookkeeping of a run."""

    out: str = "runs/denoiser"
    """Folder for checkpoints, logs and curves."""
    start: tuple[str, ...] = ()
    """Folders of finished runs that a new one begins with: one, also of another rate, or two side by side."""
    seed: int = 1
    """Fixes weights and mixtures."""
    device: str = "cpu"
    """Torch device."""
    batch: int = 32
    """Examples per step."""
    frames: int = 0
    """Frames of each example that a step takes, begun anywhere; 0 takes all."""
    equalizer_db: float = 0.0
    """Standard deviation of the equalizer that each example is heard through in a step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products of matrices; weights and sums stay float32."""
    dev_examples: int = 64
    """Mixtures of dev speech that checkpoints are scored on."""
    log_steps: int = 20
    """Steps between log lines."""
    eval_steps: int = 100
    """Steps between evaluations on dev."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints."""
    keep_best: int = 3
    """Checkpoints kept by dev loss, and averaged into the final weights."""
    threads: int = 1
    """CPU threads."""

    def __post_init__(self) -> None:
        counts = ("batch", "dev_examples", "log_steps", "eval_steps", "keep_best", "threads")
        if min(getattr(self, name) for name in counts) < 1:
            raise ConfigError(f"run: {', '.join(counts)} must be 1 or more")
        if min(self.frames, self.equalizer_db) < 0:
            raise ConfigError("run.frames and run.equalizer_db must be 0, which is off, or more")


@dataclass(frozen=True)
class DenoiserConfig:
    """A whole training configuration."""

    task: Literal["denoiser"] = "denoiser"
    """What is trained."""
    sample_rate: int = 16_000
    """16000 or 48000 Hz."""
    size: str = "small"
    """Named network shape; see `asr.percepnet.network.SIZES`."""
    network: dict[str, Any] = field(default_factory=dict)
    """Widths that differ from the named shape."""
    data: SpeechConfig = field(default_factory=SpeechConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: DenoiserRunConfig = field(default_factory=DenoiserRunConfig)

    def __post_init__(self) -> None:
        try:
            audio_format(self.sample_rate)
        except FormatError as error:
            raise ConfigError(f"sample_rate: {error}") from error
        if self.sample_rate != 16_000:
            for name in ("room_probability", "babble_room_probability"):
                if getattr(self.mix, name) > 0:
                    raise ConfigError(f"mix.{name}: rooms are simulated at 16000 Hz only; set it to 0")

    @property
    def shape(self) -> NetworkConfig:
        """The named network with the configuration's changes and the rate's bands."""
        if self.size not in SIZES:
            raise ConfigError(f"size: expected one of {', '.join(SIZES)}, got {self.size!r}")
        values = {**vars(SIZES[self.size]), **self.network, "bands": audio_format(self.sample_rate).bands}
        try:
            return build(NetworkConfig, values, "network")
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f"network: {error}") from error

"""`onoma train` for a denoiser: from a configuration to a model folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from asr.manifest import read_manifest
from asr.percepnet.model import save_model
from asr.percepnet.network import PercepNet
from asr.percepnet.training.config import DenoiserConfig, SpeechConfig
from asr.percepnet.training.loss import DenoiserLosses, denoiser_loss
from asr.percepnet.training.mixing import Mixer, MixtureBatch, Sounds, equalized
from asr.percepnet.training.mixtures import MixtureCache
from asr.percepnet.training.warm import FLOAT_FILE, begin_with
from asr.training.bookkeeping import Run, claim
from asr.training.cache import AudioCache
from asr.training.checkpoint import Progress
from asr.training.config import ConfigError, DataConfig
from asr.training.curves import Panel, plot_curves
from asr.training.data import select_utterances
from asr.training.optimizer import Optimizer
from asr.training.run import find_noise

log = logging.getLogger(__name__)

LOG_FIELDS = ("step", "hours", "minutes", "rate", "loss", "gain", "strength", "dev_loss")
PANELS = (
    Panel(("gain", "strength"), "loss of mixtures", logarithmic=True),
    Panel(("dev_loss",), "loss on dev", logarithmic=False),
)
FRAMES_AN_HOUR = 360_000
DEV_SEED, TRAIN_SEED = 0, 1
"""First part of the seeds of mixtures, so that dev's are never trained on."""


def train(config: DenoiserConfig, resume: bool = False) -> Path:
    """Train as configured; returns the model folder with the averaged best weights in 8 bits.

    Raises `ConfigError` when data is missing, or when a run would be overwritten for want of `resume`.
    """
    folder = claim(config.run.out, resume)
    torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    network = PercepNet(config.shape)
    if config.run.start:
        begin_with(network, config.sample_rate, [Path(run) for run in config.run.start])
    trainer = DenoiserTrainer(config, network, *load_mixers(config))
    if not (resume and trainer.resume()):
        trainer.start_clean()
    trainer.run()
    network.load_state_dict(trainer.best.average(len(trainer.best.entries())))
    save_file(network.cpu().state_dict(), folder / FLOAT_FILE)
    save_model(network, config.sample_rate, folder / "model")
    plot_curves(folder / "log.csv", folder / "curve.png", PANELS)
    return folder / "model"


def load_mixers(config: DenoiserConfig) -> tuple[Mixer, Mixer]:
    """Mixers of training and dev sounds; every so many noise recordings go to dev."""
    data, rate = config.data, config.sample_rate
    root, cache = Path(data.root), Path(data.cache)
    if not root.is_dir():
        raise ConfigError(f"{root}: no such data folder; set data.root (--set data.root=FOLDER)")
    dev_files = sorted(utterance.audio for utterance in read_manifest(root / data.dev)[:: data.dev_every])
    held, kinds = set(dev_files), {entry: kind for kind, entry in enumerate(data.sources)}
    drawn = {
        utterance.audio: (entry.weight, kinds[entry])
        for utterance, entry in select_utterances(_selection(data))
        if entry.weight > 0 and utterance.audio not in held
    }
    if not drawn:
        raise ConfigError(
            "data.sources has nothing with a weight above 0 but what data.dev takes; see dev_every"
        )
    noises = find_noise(root, data.noise)
    kept = noises[:: data.dev_noise_every]
    if not 0 < len(kept) < len(noises):
        raise ConfigError(
            f"data.noise: {root / data.noise} has {len(noises)} recordings; training and dev need some each"
        )
    trained = tuple(sorted(drawn))
    speech = AudioCache.build(trained, cache, rate)
    dev_speech = AudioCache.build(dev_files, cache, rate)
    noise = AudioCache.build(noises, cache, rate)
    shares = _shares([drawn[file][0] for file in trained])
    return (
        Mixer(
            config.mix,
            rate,
            Sounds(speech, trained, shares, np.array([drawn[file][1] for file in trained])),
            _evenly(noise, tuple(file for file in noises if file not in kept)),
        ),
        Mixer(config.mix, rate, _evenly(dev_speech, tuple(dev_files)), _evenly(noise, kept)),
    )


def _selection(data: SpeechConfig) -> DataConfig:
    return DataConfig(
        root=data.root, sources=data.sources, min_seconds=data.min_seconds, max_seconds=data.max_seconds
    )


def _evenly(audio: AudioCache, files: tuple[Path, ...]) -> Sounds:
    return Sounds(audio, files, _shares([1.0] * len(files)), np.zeros(len(files), np.int64))


def _shares(weights: list[float]) -> NDArray[np.float64]:
    return np.asarray(np.array(weights) / np.sum(weights))


class DenoiserTrainer(Run[float]):
    """Steps of a denoiser and its loss on dev."""

    columns = LOG_FIELDS

    def __init__(self, config: DenoiserConfig, network: PercepNet, mixer: Mixer, dev: Mixer) -> None:
        self.config, self.network = config, network.to(config.run.device)
        super().__init__(config.run, network, Optimizer(network, config.optimizer))
        run, cache = config.run, Path(config.data.cache)
        if config.mix.count < run.batch:
            raise ConfigError(f"mix.count is {config.mix.count}, fewer than the {run.batch} of run.batch")
        self.mixtures = MixtureCache(mixer, (TRAIN_SEED, run.seed), config.mix.count, cache)
        held = MixtureCache(dev, (DEV_SEED, run.seed), run.dev_examples, cache)
        self.dev = [
            held.batch(np.arange(first, min(first + run.batch, run.dev_examples)))
            for first in range(0, run.dev_examples, run.batch)
        ]
        self._sums = torch.zeros(3)
        self._since = 0

    def run(self) -> None:
        """Train to `optimizer.total_steps`."""
        self._go(self._batches(), self.step, self._score)

    def step(self, batch: MixtureBatch) -> None:
        """One optimizer step."""
        losses = self._losses(batch)
        torch.autograd.backward(losses.total)
        self.optimizer.step(self.progress.step)
        self._sums += torch.stack((losses.total, losses.gain, losses.strength)).detach().cpu()
        self._since += 1
        self.hours += batch.features.shape[0] * batch.features.shape[1] / FRAMES_AN_HOUR
        self.progress = Progress(self.progress.step + 1)

    def _losses(self, batch: MixtureBatch) -> DenoiserLosses:
        run = self.config.run
        device = torch.device(run.device)
        with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
            gains, strengths = self.network(batch.features.to(device))
        wanted = (batch.gains.to(device), batch.strengths.to(device))
        answer = (gains.float(), strengths.float())
        return denoiser_loss(answer, wanted, batch.weights.to(device), self.config.loss)

    @torch.inference_mode()
    def _score(self) -> float:
        """Loss on dev; the weights are kept if they are among the best."""
        self.network.eval()
        loss = float(np.mean([float(self._losses(batch).total) for batch in self.dev]))
        self.network.train()
        log.info("dev loss %.5f", loss)
        self.best.offer(loss, self.progress.step, self.network.state_dict())
        return loss

    def _batches(self) -> Iterator[MixtureBatch]:
        """Batches from the present step on; the number of an epoch decides its order."""
        run = self.config.run
        epoch, done = divmod(self.progress.step, self.mixtures.count // run.batch)
        while True:
            generator = np.random.default_rng((run.seed, epoch))
            order = generator.permutation(self.mixtures.count)
            begins = generator.random(len(order))
            for first in range(done * run.batch, len(order) - run.batch + 1, run.batch):
                batch = self.mixtures.batch(order[first : first + run.batch]).cut(run.frames, begins[first])
                # Seeded by place, so that a resumed run draws what an unbroken one does.
                yield equalized(batch, run.equalizer_db, np.random.default_rng((run.seed, epoch, first)))
            epoch, done = epoch + 1, 0

    def _log(self, dev_loss: float | None) -> None:
        means = [round(float(value) / max(self._since, 1), 5) for value in self._sums]
        self._sums, self._since = torch.zeros(3), 0
        self._write_row(means, [dev_loss])

"""`onoma train`: from a configuration to a model folder."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from asr.adapter_files import base_digest
from asr.frontends import WHISPER_FOLDER, FrontendConfig, PretrainedConfig, huggingface_config
from asr.manifest import Utterance, read_manifest
from asr.model import (
    SIZES,
    ConformerCTC,
    ModelConfig,
    ModelError,
    config_from_dict,
    load_model,
    load_weights,
    read_config,
    save_model,
)
from asr.tokenizer import ALPHABET, TOKENIZER_FILE, Tokenizer, copy_tokenizer, train_tokenizer
from asr.training.augment import Augmenter
from asr.training.bookkeeping import claim
from asr.training.cache import AudioCache
from asr.training.config import ConfigError, DataConfig, SourceConfig, TrainConfig
from asr.training.curves import plot_curves
from asr.training.data import BatchMaker, BatchPlan, Example, make_examples, read_lexicon, select_utterances
from asr.training.distributed import Team, join_team
from asr.training.evaluate import DevSet, evaluate
from asr.training.feature_batches import FeatureBatchMaker, FeatureMaker
from asr.training.feature_cache import FeatureCache
from asr.training.loop import Batches, Trainer
from asr.training.phone_cuts import aligned, phone_cuts
from asr.training.splicing import Splicer
from asr.training.teacher import Teacher
from lm.text import open_text

log = logging.getLogger(__name__)

NOISE_ENDINGS = (".opus", ".ogg", ".wav", ".flac", ".mp3")


@dataclass(frozen=True)
class Corpus:
    """Everything a run reads."""

    tokenizer: Tokenizer
    train: list[Example]
    dev: list[Example]
    audio: AudioCache
    dev_audio: AudioCache
    noise: AudioCache | None
    noise_files: tuple[Path, ...]


def train(config: TrainConfig, resume: bool = False) -> Path:
    """Train as configured; returns the model folder with the averaged best weights.

    Raises `ConfigError` when data is missing, or when a run would be overwritten for want of `resume`.
    """
    shape = model_config(config)
    torch.set_num_threads(config.run.threads)
    folder = claim(config.run.out, resume)
    with join_team(config.run.device) as team:
        torch.manual_seed(config.run.seed)
        model = _first_model(config, shape).to(team.device)
        _check_splice(config, model.config)
        corpus = _lead_first(team, config, resume)
        batches, dev_inputs = make_batches(config, team, model, corpus)
        trainer = Trainer(config, team, model, batches)
        if not (resume and trainer.resume()):
            trainer.start_clean()
        dev = DevSet(corpus.dev, dev_inputs, corpus.tokenizer, config.data.batch_seconds)
        trainer.run(dev)
        if team.leads:
            export(trainer, dev)
    return folder / "model"


def make_batches(
    config: TrainConfig, team: Team, model: ConformerCTC, corpus: Corpus
) -> tuple[Batches, AudioCache | FeatureCache]:
    """What makes training batches for a model, from audio or from cached states, and the inputs of dev."""
    plan = BatchPlan(corpus.train, config.data.batch_seconds, config.run.seed)
    augmenter = Augmenter(config.augment, corpus.noise, corpus.noise_files)
    frontend = model.config.frontend
    if isinstance(frontend, PretrainedConfig) and frontend.lora is None:
        maker = FeatureMaker(model.frontend, frontend, config.features, config.run.threads)
        copies, dev_inputs = _encode_all(team, maker, corpus, augmenter, config.run.seed)
        splicer = _splicer(config, team, model, corpus, copies[0]) if config.splice.share else None
        return FeatureBatchMaker(plan, copies, team, splicer, config.splice.share), dev_inputs
    return BatchMaker(plan, corpus.audio, augmenter, team, _teacher(config, model)), corpus.dev_audio


def _check_splice(config: TrainConfig, shape: ModelConfig) -> None:
    """Refuse before hours of work what would be missed only after them."""
    if not config.splice.share:
        return
    if not isinstance(shape.frontend, PretrainedConfig) or shape.has_deltas:
        raise ConfigError(
            "splice.share needs the cached states of a frozen pretrained encoder; "
            "set model.frontend, and no lora.rank"
        )
    for name in config.splice.texts:
        _text_file(config.data, name)


def _splicer(
    config: TrainConfig, team: Team, model: ConformerCTC, corpus: Corpus, clean: FeatureCache
) -> Splicer:
    """Says the sentences of texts with the clean states; the start model finds where the phones are."""
    if not team.leads:
        team.wait()
    kept = Path(config.run.out) / f"cuts-{base_digest(Path(config.run.start))[:8]}.jsonl"
    cuts = phone_cuts(model, corpus.train, clean, kept)
    if team.leads:
        team.wait()
    lines = (line for name in config.splice.texts for line in text_lines(_text_file(config.data, name)))
    lexicon = read_lexicon(Path(config.data.root) / config.data.lexicon)
    splicer = Splicer(aligned(corpus.train, cuts, clean), lines, corpus.tokenizer, lexicon)
    splicer.try_out(corpus.train)
    return splicer


def _first_model(config: TrainConfig, shape: ModelConfig) -> ConformerCTC:
    """A model of the given shape, with the weights of `run.start` where that is set."""
    if not config.run.start:
        return ConformerCTC(shape)
    folder = Path(config.run.start)
    try:
        model = _adapted_model(folder, shape) if shape.has_deltas else load_model(folder)
    except ModelError as error:
        raise ConfigError(f"run.start: {error}") from error
    if model.config.encoder != shape.encoder or model.config.vocab_size != shape.vocab_size:
        raise ConfigError(f"run.start: {folder} holds a model of another shape than `size` and `model`")
    if _without_deltas(model.config) != _without_deltas(shape):
        raise ConfigError(f"run.start: {folder} stands on another front-end than `model.frontend` says")
    return model


def _without_deltas(shape: ModelConfig) -> FrontendConfig:
    """The front-end; deltas are merged into that of a start model."""
    found = shape.frontend
    return dataclasses.replace(found, lora=None) if isinstance(found, PretrainedConfig) else found


def _adapted_model(folder: Path, shape: ModelConfig) -> ConformerCTC:
    """The weights of a model on the same encoder, frozen or with deltas of the same shape, to go on with."""
    found, wanted = read_config(folder).frontend, shape.frontend
    assert isinstance(wanted, PretrainedConfig)
    if found not in (wanted, dataclasses.replace(wanted, lora=None)):
        raise ModelError(f"{folder} stands on another front-end than `model.frontend` and `lora` say")
    model = ConformerCTC(shape)
    load_weights(model, folder)
    return model


def _teacher(config: TrainConfig, model: ConformerCTC) -> Teacher | None:
    if not config.loss.teacher:
        return None
    if not config.data.teacher:
        raise ConfigError("loss.teacher needs data.teacher, a folder of a pretrained encoder's states")
    return Teacher(Path(config.data.teacher), config.data.teacher_frame_seconds, model.frame_seconds)


def model_config(config: TrainConfig) -> ModelConfig:
    """The named size with the configuration's changes."""
    if config.size not in SIZES:
        raise ConfigError(f"size: expected one of {', '.join(SIZES)}, got {config.size!r}")
    values = dataclasses.asdict(SIZES[config.size])
    for name, change in config.model.items():
        merged = isinstance(change, dict) and isinstance(values.get(name), dict)
        if merged and change.get("encoder") == WHISPER_FOLDER:
            values[name] = _adaptable(change)
        else:
            values[name] = {**values[name], **change} if merged else change
    shape = config_from_dict(values)
    if (deltas := config.lora.deltas) is None:
        return shape
    if not isinstance(shape.frontend, PretrainedConfig):
        raise ConfigError(f"lora.rank is {deltas.rank} and the front-end is a filterbank; set model.frontend")
    return dataclasses.replace(shape, frontend=dataclasses.replace(shape.frontend, lora=deltas))


def _adaptable(frontend: dict[str, object]) -> dict[str, object]:
    """The settings of a Whisper encoder; where they name no hash, what the given folder holds is meant."""
    if set(frontend) > {"encoder"}:
        return frontend
    return dataclasses.asdict(huggingface_config(name=WHISPER_FOLDER))


def export(trainer: Trainer, dev: DevSet) -> None:
    """Write the model folder: the mean of the best weights, of as many as dev likes best; and the curve."""
    folder, model = trainer.folder, trainer.model
    errors = {}
    for count in range(1, len(trainer.best.entries()) + 1):
        model.load_state_dict(trainer.best.average(count))
        errors[count] = evaluate(model, dev).wer
        log.info("mean of the best %d: dev WER %.1f%%", count, 100 * errors[count])
    if errors:
        model.load_state_dict(trainer.best.average(min(errors, key=errors.__getitem__)))
    save_model(model, folder / "model")
    copy_tokenizer(folder / TOKENIZER_FILE, folder / "model")
    log.info("wrote %s", folder / "model")
    try:
        plot_curves(folder / "log.csv", folder / "curve.png")
    except ConfigError as error:
        log.warning("%s", error)


def _encode_all(
    team: Team, maker: FeatureMaker, corpus: Corpus, augmenter: Augmenter, seed: int
) -> tuple[list[FeatureCache], FeatureCache]:
    """The copies of the training data and dev, clean, as features; the leading process computes them."""
    if not team.leads:
        team.wait()
    dev = maker.clean(corpus.dev_audio, [example.audio for example in corpus.dev])
    paths = [example.audio for example in corpus.train]
    copies = [maker.clean(corpus.audio, paths), *maker.augmented(corpus.audio, corpus.train, augmenter, seed)]
    if team.leads:
        team.wait()
    return copies, dev


def _lead_first(team: Team, config: TrainConfig, resume: bool) -> Corpus:
    """Let the leading process prepare files before the others read them."""
    if team.leads:
        corpus = load_corpus(config, resume)
        team.wait()
    else:
        team.wait()
        corpus = load_corpus(config, resume=True)
    return corpus


def load_corpus(config: TrainConfig, resume: bool) -> Corpus:
    """Manifests, tokenizer (trained anew unless a run is resumed), targets, decoded audio."""
    data, root, folder = config.data, Path(config.data.root), Path(config.run.out)
    if not root.is_dir():
        raise ConfigError(f"{root}: no such data folder; set data.root (--set data.root=FOLDER)")
    chosen = select_utterances(data)
    tokenizer_file = folder / TOKENIZER_FILE
    if not (resume and tokenizer_file.exists()):
        _prepare_tokenizer(config, [utterance for utterance, _ in chosen], tokenizer_file)
    tokenizer = Tokenizer(tokenizer_file)
    lexicon = read_lexicon(root / data.lexicon) if data.lexicon else {}
    train_examples = make_examples(chosen, tokenizer, lexicon)
    held_out = SourceConfig(manifest=data.dev)
    dev = make_examples([(u, held_out) for u in read_manifest(root / data.dev)], tokenizer, lexicon)
    if not dev:
        raise ConfigError(f"data.dev: {root / data.dev} has no utterance with a text; checkpoints need some")
    cache, noise_files = Path(data.cache), find_noise(root, data.noise)
    log.info(
        "%d training utterances, %.1f h", len(train_examples), sum(e.seconds for e in train_examples) / 3600
    )
    return Corpus(
        tokenizer,
        train_examples,
        dev,
        AudioCache.build(sorted({e.audio for e in train_examples}), cache),
        AudioCache.build([e.audio for e in dev], cache),
        AudioCache.build(noise_files, cache) if noise_files else None,
        noise_files,
    )


def _prepare_tokenizer(config: TrainConfig, utterances: list[Utterance], file: Path) -> None:
    """The shared one, or that of the model which the run starts from, or a new one."""
    shared = Path(config.data.tokenizer or Path(config.run.start) / TOKENIZER_FILE)
    if config.data.tokenizer and not shared.is_file():
        raise ConfigError(f"data.tokenizer: {shared}: no such file")
    if config.data.tokenizer or config.run.start:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared, file)
    else:
        train_tokenizer(_text_lines(config.data, utterances), file, model_config(config).vocab_size)


def find_noise(root: Path, name: str) -> tuple[Path, ...]:
    """The noise recordings of a folder below `root`, none when it has no name."""
    folder = root / name
    if not name:
        return ()
    if not folder.is_dir():
        raise ConfigError(f'data.noise: {folder} is no folder; set data.noise="" to train without noise')
    return tuple(sorted(file for file in folder.iterdir() if file.suffix in NOISE_ENDINGS))


def _text_lines(data: DataConfig, utterances: list[Utterance]) -> Iterator[str]:
    """Lines for the tokenizer: the transcripts, and every 20th line of the texts."""
    yield from (utterance.text for utterance in utterances)
    for name in data.text:
        yield from text_lines(_text_file(data, name), 20)


def _text_file(data: DataConfig, name: str) -> Path:
    path = Path(data.root) / name
    if not path.is_file():
        raise ConfigError(f"{path}: no such text; name files relative to data.root")
    return path


def text_lines(path: Path, every: int = 1) -> Iterator[str]:
    """Lines of a text in lower case that are written in our letters; of all each so-many-th.

    Raises:
        TextError: see `lm.text.open_text`.
    """
    accepted = set(ALPHABET + " ")
    with open_text(path) as lines:
        for line in islice(lines, 0, None, every):
            text = line.strip().lower()
            if set(text) <= accepted:
                yield text

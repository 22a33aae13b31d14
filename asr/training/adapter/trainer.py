"""`onoma train` for a contextual adapter: from a configuration and a model folder to one with an adapter."""

from __future__ import annotations

import logging
import os
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from asr.adapter_files import base_digest, save_adapter
from asr.bias_file import BIASING_FILE
from asr.decoding import DECODING_FILE, LM_FILE, SHARED_LM_FILE, find_lm
from asr.model import (
    CONFIG_FILE,
    DELTAS_FILE,
    PHONES_FILE,
    WEIGHTS_FILE,
    ConformerCTC,
    load_model,
)
from asr.recognizer import model_folder
from asr.tokenizer import TOKENIZER_FILE, TOKENS_FILE
from asr.training.adapter.config import AdapterTrainConfig
from asr.training.adapter.hearing import hear_masked, heard_of, keep_heard
from asr.training.adapter.lists import ListMaker, Said, is_kept_for_tests, read_pool
from asr.training.adapter.losses import AdapterLosses, PhraseHead, adapter_losses, make_targets
from asr.training.adapter.neighbours import SoundAlikes
from asr.training.adapter.scores import AdapterDev, AdapterScores
from asr.training.bookkeeping import Run, claim
from asr.training.checkpoint import Progress
from asr.training.config import ConfigError
from asr.training.data import Batch, BatchPlan, read_lexicon
from asr.training.distributed import join_team
from asr.training.feature_batches import FeatureBatchMaker
from asr.training.loop import Batches, prefetched
from asr.training.optimizer import Optimizer
from asr.training.run import Corpus, load_corpus, make_batches
from biasing.adapter import ContextualAdapter, Heard
from biasing.lists import read_vocabulary
from lm.ngram import NGram

log = logging.getLogger(__name__)

COMMON_WORDS = 5000
LOSSES = ("loss", "ctc", "attention", "pieces", "phrases")
SCORES = ("wer", "b_wer", "u_wer", "absent_wer", "on_phrase", "on_nothing")
LOG_FIELDS = ("step", "hours", "minutes", "rate", *LOSSES, *SCORES)


def train(config: AdapterTrainConfig, resume: bool = False) -> Path:
    """Train as configured; returns a copy of the base's folder that has the adapter with the best weights.

    Raises `ConfigError` when data is missing, or when a run would be overwritten for want of `resume`.
    """
    folder = claim(config.run.out, resume)
    torch.set_num_threads(config.run.threads)
    base = model_folder(config.base)
    inputs = config.inputs(str(base))
    with join_team("cpu") as team:
        model = load_model(base).requires_grad_(False)
        corpus = load_corpus(inputs, resume)
        batches, dev_inputs = make_batches(inputs, team, model, corpus)
        if config.states:
            bf16 = config.run.precision == "bf16"
            paths = [example.audio for example in corpus.train]
            clean = batches.copies[0] if isinstance(batches, FeatureBatchMaker) else corpus.audio
            kept = keep_heard(model, paths, clean, Path(config.states), base, bf16)
            plan = BatchPlan(corpus.train, config.data.batch_seconds, config.run.seed)
            batches = FeatureBatchMaker(plan, [kept], team)
    maker = make_lists(config, corpus, base)
    dev = AdapterDev(model, corpus.dev, dev_inputs, maker, corpus.tokenizer)
    torch.manual_seed(config.run.seed)
    trainer = AdapterTrainer(config, model, batches, maker)
    if not (resume and trainer.resume()):
        trainer.start_clean()
    trainer.run(dev)
    trainer.adapter.load_state_dict(trainer.best.average(1))
    export(trainer.adapter, base, folder / "model")
    return folder / "model"


def make_lists(config: AdapterTrainConfig, corpus: Corpus, base: Path) -> ListMaker:
    """What draws the lists of each step: rare words of the transcripts, and the phrases of files."""
    lists, root = config.lists, Path(config.data.root)
    common = _common_words(root / lists.common if lists.common else None, base)
    rare = {word for one in corpus.train for word in one.text.split() if word not in common}
    files = [root / name for name in lists.distractors]
    pool = {*read_pool(files, lists.test_hash), *rare}
    usable = sorted(one for one in pool if one not in common and not is_kept_for_tests(one, lists.test_hash))
    lexicon = read_lexicon(root / config.data.lexicon) if config.data.lexicon else {}
    sounds = {word: lexicon[word] for word in usable if word in lexicon}
    log.info("%d phrases to draw from, %d of known sound", len(usable), len(sounds))
    if not usable:
        raise ConfigError("lists: no phrase to draw from; name files of phrases in lists.distractors")
    return ListMaker(lists, corpus.tokenizer, common, usable, SoundAlikes(sounds))


def _common_words(file: Path | None, base: Path) -> frozenset[str]:
    if file is not None:
        return frozenset(read_vocabulary(file))
    lm = find_lm(base)
    lookahead = NGram(lm).lookahead if lm is not None else None
    if lookahead is None:
        raise ConfigError(f"lists.common: {base} has no language model that knows words; name a file of them")
    return frozenset(lookahead.ranked[:COMMON_WORDS])


def export(adapter: ContextualAdapter, base: Path, folder: Path) -> None:
    """Write a model folder: the base's files as they are, its language model by name, and the adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    acoustic = (CONFIG_FILE, WEIGHTS_FILE, DELTAS_FILE, PHONES_FILE)
    for name in (*acoustic, TOKENIZER_FILE, TOKENS_FILE, DECODING_FILE, BIASING_FILE):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    if (lm := find_lm(base)) is not None:
        (folder / LM_FILE).unlink(missing_ok=True)
        (folder / SHARED_LM_FILE).write_text(os.path.relpath(lm, folder) + "\n", encoding="utf-8")
    save_adapter(adapter, folder, base_digest(base))


class AdapterTrainer(Run[AdapterScores]):
    """Steps of an adapter and its scores on dev. The base is read and never written."""

    columns = LOG_FIELDS

    def __init__(
        self, config: AdapterTrainConfig, model: ConformerCTC, batches: Batches, maker: ListMaker
    ) -> None:
        self.config, self.model, self.batches, self.maker = config, model.eval(), batches, maker
        encoder = model.config.encoder
        shape = config.adapter(encoder.dim, len(model.config.intermediate_layers) + 1)
        self.adapter = ContextualAdapter(shape, model.head.linear.weight)
        self.phrase_head = PhraseHead(model.head.linear.weight.detach())
        trained = nn.ModuleDict({"adapter": self.adapter, "phrase_head": self.phrase_head})
        super().__init__(config.run, trained, Optimizer(trained, config.optimizer))
        self.sums, self.summed = torch.zeros(len(LOSSES)), 0
        size = sum(one.numel() for one in self.adapter.parameters())
        share = size / sum(one.numel() for one in model.parameters())
        log.info("adapter of %d parameters, %.1f %% of the base", size, 100 * share)

    def run(self, dev: AdapterDev) -> None:
        """Train to `optimizer.total_steps`."""
        if self.progress.step == 0:
            self._log(dev.score(None))
        batches = prefetched(self.batches, self.progress)
        self._go(batches, lambda made: self.step(made[0], *made[2:]), lambda: self._scores(dev))

    def step(self, batch: Batch, epoch: int, position: int) -> None:
        """One optimizer step."""
        number = self.progress.step
        seed = self.config.run.seed * 1_000_003 + number
        torch.manual_seed(seed)
        losses = self.losses(batch, seed)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(number)
        self.sums, self.summed = self.sums + losses.values(), self.summed + 1
        self.progress = Progress(number + 1, epoch, position + 1)

    def losses(self, batch: Batch, seed: int) -> AdapterLosses:
        """The losses of a batch; lists and masks depend on `seed` alone."""
        heard = self._hear(batch, torch.Generator().manual_seed(seed))
        done = self.progress.step / self.config.optimizer.total_steps
        said = [Said(*one) for one in zip(batch.texts, batch.tokens, strict=True)]
        lists = self.maker.lists(said, done, random.Random(seed))
        targets = make_targets(heard.log_probs.numpy(), heard.lengths.tolist(), batch.tokens, lists)
        phrases = self.adapter.encode(lists.phrases)
        attended = self.adapter(self.adapter.questions(heard), phrases, lists.allowed)
        adapted = self.model.head(heard.states[-1] + attended.bias)
        return adapter_losses(
            (attended, phrases),
            (adapted, self.phrase_head(attended.bias)),
            heard.lengths,
            (batch.tokens, targets),
            self.config.loss,
        )

    def _hear(self, batch: Batch, generator: torch.Generator) -> Heard:
        """What the frozen base hears."""
        if self.config.states:
            heard = heard_of(self.model, batch)
        else:
            bf16 = self.config.run.precision == "bf16"
            heard = hear_masked(self.model, batch, self.config.augment, generator, bf16)
        self.hours += float(heard.lengths.sum()) * self.model.frame_seconds / 3600
        return heard

    def _scores(self, dev: AdapterDev) -> AdapterScores:
        self.adapter.eval()
        scores = dev.score(self.adapter)
        self.adapter.train()
        errors = scores.wer + scores.absent_wer
        self.best.offer(errors, self.progress.step, self.adapter.state_dict())
        return scores

    def _log(self, scores: AdapterScores | None) -> None:
        losses = [round(float(value) / max(self.summed, 1), 4) for value in self.sums]
        self.sums, self.summed = torch.zeros(len(LOSSES)), 0
        found = [None] * len(SCORES) if scores is None else [round(x, 4) for x in asdict(scores).values()]
        if scores is not None:
            log.info("dev, greedy: %s", ", ".join(f"{k} {v:.3f}" for k, v in asdict(scores).items()))
        self._write_row(losses, found)

"""Runs with joined sentences: resumable as others are, and refused before their long preparation."""

import dataclasses
import json

import pytest
from runs import break_off, on_whisper
from test_loop import same, saved

from asr.training.config import (
    ConfigError,
    LoraTrainingConfig,
    SpliceConfig,
)
from asr.training.feature_batches import FeatureBatchMaker
from asr.training.run import train
from biasing.lexicon import read_lexicon
from lm.text import TextError


@pytest.fixture(scope="module")
def config(corpus, whisper_folder, tmp_path_factory):
    """A run that goes on from one on the same states, with sentences of two words that the lexicon knows."""
    folder = tmp_path_factory.mktemp("spliced")
    words = sorted(read_lexicon(corpus / "lexicon.dict"))
    (folder / "said.txt").write_text("".join(f"{a} {b}\n" for a in words for b in words))
    first = on_whisper(corpus, folder, 6.0)
    first = with_out(first, folder / "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONOMA_HUGGINGFACE", str(whisper_folder))
        start = train(first)
        splice = SpliceConfig(1.0, (str(folder / "said.txt"),))
        run = dataclasses.replace(first.run, out=str(folder / "whole"), start=str(start))
        yield dataclasses.replace(first, splice=splice, run=run)


def with_out(config, out):
    return dataclasses.replace(config, run=dataclasses.replace(config.run, out=str(out)))


def test_joined_sentences_are_trained_on_and_a_broken_run_goes_on_as_if_unbroken(
    config, corpus, tmp_path, monkeypatch
):
    texts, make = set(), FeatureBatchMaker.__call__
    said = {json.loads(line)["text"] for line in (corpus / "train.jsonl").read_text().splitlines()}

    def made(self, *place):
        batch = make(self, *place)
        texts.update(batch.texts)
        return batch

    monkeypatch.setattr(FeatureBatchMaker, "__call__", made)
    train(config)
    assert texts - said
    broken = with_out(config, tmp_path / "broken")
    break_off(broken, 2)
    train(broken, resume=True)
    assert same(saved(broken), saved(config))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"splice": SpliceConfig(0.5, ("missing.txt",))}, r"missing\.txt: no such text"),
        ({"lora": LoraTrainingConfig(rank=2)}, "needs the cached states of a frozen"),
    ],
)
def test_what_cannot_be_spliced_is_refused_before_anything_is_prepared(config, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        train(with_out(dataclasses.replace(config, **changes), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["text.txt", "text.txt.xz", "text.txt.gz"])
def test_a_text_that_cannot_be_read_is_named(config, tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe no text")
    wrong = dataclasses.replace(config, splice=SpliceConfig(0.5, (str(tmp_path / name),)))
    with pytest.raises(TextError, match=name):
        train(with_out(wrong, tmp_path / "run"))

"""Training options: what is in the file is what comes out, and anything else is named."""

import dataclasses
from pathlib import Path

import pytest

from asr.training.config import ConfigError, TrainConfig, load_config

RECIPES = Path(__file__).parents[3] / "recipes"
GOOD = """
size = "tiny"
[model.encoder]
layers = 2
[data]
root = "somewhere"
[[data.sources]]
manifest = "a.jsonl"
weight = 2
[[data.sources]]
manifest = "b.jsonl"
source = "x"
[augment]
speed = [1, 1.05]
[optimizer]
name = "muon"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return folder / "config.toml"


def test_a_file_becomes_dataclasses(tmp_path):
    config = load_config(written(tmp_path, GOOD))
    assert config.size == "tiny"
    assert config.model == {"encoder": {"layers": 2}}
    assert [(s.manifest, s.source, s.weight) for s in config.data.sources] == [
        ("a.jsonl", "", 2.0),
        ("b.jsonl", "x", 1.0),
    ]
    assert config.augment.speed == (1.0, 1.05)
    assert isinstance(config.data.sources[0].weight, float)
    assert config.optimizer.name == "muon"
    assert config.run == TrainConfig().run


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load_config(written(tmp_path, "")) == TrainConfig()


@pytest.mark.parametrize(
    "name",
    [
        f"{name}.toml"
        for name in ("base/config", "base/second", "moonshine/config", "whisper/config", "whisper/second")
    ],
)
def test_the_recipes_of_the_models_are_valid(name):
    assert len(load_config(RECIPES / name).data.sources) > 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 3", "unknown setting 'colour'"),
        ("[data]\nrot = 'x'", "data: unknown setting 'rot'"),
        ("[[data.sources]]\nmanifest = 'a'\nwait = 1", "unknown setting 'wait'"),
        ("[[data.sources]]\nweight = 1", "'manifest' is missing"),
        ("[data]\nsources = 3", "sources: expected a list"),
        ("[data]\nsources = [3]", "sources: expected a table"),
        ("[optimizer]\nname = 'sgd'", "name: expected one of adamw, muon"),
        ("[optimizer]\ntotal_steps = 1.5", "total_steps: expected int"),
        ("[optimizer]\ntotal_steps = true", "total_steps: expected int"),
        ("[optimizer]\nlearning_rate = 'fast'", "learning_rate: expected float"),
        ("[augment]\nspeed = [1]", "speed: expected 2 values"),
        ("[run]\nlog_steps = 0", "log_steps"),
        ("model = 3", "model: expected dict"),
        ("run = 3", "run: expected a table"),
        ("size = ", "not TOML"),
    ],
)
def test_faults_are_named_in_one_line(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"size = '\xff'")
    for name in ("missing.toml", "latin.toml", "."):
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_overrides_win(tmp_path):
    file = written(tmp_path, GOOD)
    changes = (
        "optimizer.total_steps=7",
        "run.out=runs/other",
        "augment.speed=[1,1]",
        "model.phone_layer=1",
        "size=base",
    )
    config = load_config(file, changes)
    assert (config.optimizer.total_steps, config.run.out, config.augment.speed) == (
        7,
        "runs/other",
        (1.0, 1.0),
    )
    assert config.model == {"encoder": {"layers": 2}, "phone_layer": 1}
    assert config.size == "base"
    assert dataclasses.replace(config.optimizer, total_steps=10_000) == load_config(file).optimizer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.total_steps", "expected a.b=value"),
        ("=3", "expected a.b=value"),
        ("optimizer.steps=3", "unknown setting 'steps'"),
        ("size.x=3", "size is a value"),
        ("optimizer.total_steps=many", "expected int"),
        ("splice.share=1.5", "splice.share is 1.5; give 0 to 1"),
        ("splice.share=0.5", "splice.share needs splice.texts, data.lexicon and run.start"),
    ],
)
def test_faulty_overrides_are_named(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        load_config(written(tmp_path, GOOD), (change,))

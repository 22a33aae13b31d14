"""Options of biasing in files: read back as written, and nothing misspelled is taken silently."""

import json
import math
import random
import shutil
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.adapter_files import ADAPTER_CONFIG_FILE, base_digest
from asr.bias_file import BIASING_FILE, format_bias, load_bias, read_bias, write_bias
from asr.cli import app
from asr.decoding import DecodingOptions, find_lm, load_decoding_options
from asr.evaluation.techniques import SWITCHES, make_techniques
from asr.recognizer import Recognizer, model_folder, pretrained_names
from asr.settings import ConfigError
from asr.training.adapter.trainer import export
from biasing.graph import BoostOptions
from biasing.options import BiasOptions

KESWICK = Path(__file__).parents[2] / "recipes" / "samples" / "they-walked-from-keswick-5b54cf8868f9.flac"


def shaken(options, rng):
    """The same options with every field changed at random, within what is accepted."""
    changes = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            changes[field.name] = shaken(value, rng)
        elif isinstance(value, bool):
            changes[field.name] = rng.random() < 0.5
        elif isinstance(value, int):
            changes[field.name] = rng.randint(1, 9)
        else:
            changes[field.name] = rng.choice([rng.random(), 0.0, 1.0])
    return replace(options, **changes)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_read(tmp_path, seed):
    bias = shaken(BiasOptions(), random.Random(seed))
    write_bias(bias, tmp_path / "o.toml", ["chosen\nby hand", "[no] = table"])
    assert read_bias(tmp_path / "o.toml") == bias


def test_infinity_goes_through(tmp_path):
    bias = replace(BiasOptions(), boost=BoostOptions(max_gap=math.inf))
    write_bias(bias, tmp_path / "o.toml")
    assert read_bias(tmp_path / "o.toml") == bias


def test_what_a_file_does_not_set_is_as_by_default(tmp_path):
    (tmp_path / "o.toml").write_text("veto = false\n[unigram]\noffset = 7\n")
    plain = BiasOptions()
    expected = replace(plain, veto=False, unigram=replace(plain.unigram, offset=7.0))
    assert read_bias(tmp_path / "o.toml") == expected
    (tmp_path / "empty.toml").write_text("")
    assert read_bias(tmp_path / "empty.toml") == plain


def test_what_a_file_does_not_set_is_as_the_model_has_it(tmp_path):
    own = replace(BiasOptions(), veto=False, unigram=replace(BiasOptions().unigram, offset=7.0))
    (tmp_path / "o.toml").write_text("[unigram]\nmost = 3\n")
    assert read_bias(tmp_path / "o.toml", own) == replace(own, unigram=replace(own.unigram, most=3.0))


def test_a_model_folder_has_its_own_options_or_the_defaults(tmp_path):
    assert load_bias(tmp_path) == BiasOptions()
    tuned = replace(BiasOptions(), boost=BoostOptions(budget=17.0))
    write_bias(tuned, tmp_path / BIASING_FILE)
    assert load_bias(tmp_path) == tuned


def test_a_recognizer_decodes_by_the_options_of_its_folder_unless_it_is_told_others(tmp_path):
    shutil.copytree(model_folder("base-en"), tmp_path / "own")
    write_bias(BiasOptions().without(*SWITCHES), tmp_path / "own" / BIASING_FILE)
    own, clip = Recognizer.from_pretrained(tmp_path / "own"), KESWICK
    assert own.transcribe(clip, ["Keswick"]).text == own.transcribe(clip).text
    assert "Keswick" in own.transcribe(clip, ["Keswick"], bias=BiasOptions()).text
    [_, joint] = make_techniques(own, ["joint"])
    assert repr(asdict(own.bias)) in joint.settings


@pytest.mark.parametrize("name", pretrained_names())
def test_the_shipped_models_have_options_that_can_be_used_and_an_adapter_of_their_own(name):
    """None of their encoders is needed for it."""
    folder = model_folder(name)
    assert isinstance(load_bias(folder), BiasOptions)
    assert load_decoding_options(folder) != DecodingOptions()
    assert find_lm(folder) is not None
    assert json.loads((folder / ADAPTER_CONFIG_FILE).read_text("utf-8"))["base"] == base_digest(folder)


def test_an_adapter_is_written_beside_the_options_of_its_base(tmp_path):
    shutil.copytree(model_folder("base-en"), tmp_path / "base")
    tuned = replace(BiasOptions(), boost=BoostOptions(budget=17.0))
    write_bias(tuned, tmp_path / "base" / BIASING_FILE)
    base = Recognizer.from_pretrained(tmp_path / "base")
    export(base.encoder_bias._adapter, tmp_path / "base", tmp_path / "adapted")
    assert load_bias(tmp_path / "adapted") == tuned
    assert load_decoding_options(tmp_path / "adapted") == base.options


def test_an_options_file_changes_what_it_sets_of_the_options_of_the_model(tmp_path):
    own, options = tmp_path / "own", tmp_path / "options.toml"
    shutil.copytree(model_folder("base-en"), own)
    write_bias(BiasOptions().without(*SWITCHES), own / BIASING_FILE)
    options.write_text("n_best = 5\n")

    def heard(*more):
        flags = ["--phrase", "Keswick", "--model", str(own), "-q", *map(str, more)]
        return CliRunner().invoke(app, ["transcribe", str(KESWICK), *flags]).stdout

    assert "Keswick" not in heard("--options", options)
    options.write_text("".join(f"{switch} = true\n" for switch in SWITCHES))
    assert "Keswick" in heard("--options", options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[boots]\nbudget = 3", "unknown setting 'boots'; accepted are "),
        ("[boost]\nbuget = 3", "boost: unknown setting 'buget'; accepted are base, budget"),
        ("[boost]\nbudget = 'much'", "boost: budget: expected float, got 'much'"),
        ("[boost]\nbudget = -3", "budget, slope, base and most are 0 or more"),
        ("boost = 3", "boost: expected a table, got 3"),
        ("veto = 1", "veto: expected bool, got 1"),
        ("n_best = 0", "n_best is 0; give 1 or more"),
        ("n_best = 2.5", "n_best: expected int, got 2.5"),
        ("veto", "not TOML"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path, text, words):
    file = tmp_path / "o.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_bias(file)
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        read_bias(tmp_path / "none.toml")


def test_the_text_has_a_table_for_each_part():
    text = format_bias(BiasOptions(), ["why"])
    assert text.startswith("# why\n")
    assert "\nboosting = true\n" in text
    assert all(f"\n[{name}]\n" in text for name in ("boost", "unigram", "phonetic", "pronunciation"))

"""Model folders that are damaged, or put together of several models, are refused in one line."""

import json
import math
import shutil

import pytest
import torch
from fuzz import FUZZ, JSON, one_line
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from asr.model import ModelError, load_model
from asr.recognizer import Recognizer


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def refused(folder, *wanted):
    """Whether the folder is refused in one line with these words."""
    with pytest.raises(ValueError, match=r".") as caught:
        Recognizer.from_pretrained(folder)
    assert type(caught.value).__module__.split(".")[0] in {"asr", "biasing", "lm"}, repr(caught.value)
    assert all(word in one_line(caught.value) for word in wanted), caught.value
    return True


def test_a_model_folder_with_files_missing_or_empty_is_refused_by_name(folder):
    for name in ("config.json", "model.safetensors", "phones.txt", "tokenizer.model"):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        assert refused(folder, name)
        for broken in (b"", b"\x80\x04", whole[: len(whole) // 2]):
            (folder / name).write_bytes(broken)
            assert refused(folder, name)
        (folder / name).write_bytes(whole)
    for name in ("lm.bin", "decoding.json"):
        whole = (folder / name).read_bytes()
        for broken in (b"", b"\x80\x04\x00", whole[: len(whole) // 2]):
            (folder / name).write_bytes(broken)
            assert refused(folder, name)
        (folder / name).write_bytes(whole)
    assert Recognizer.from_pretrained(folder).name == "model"


def test_weights_of_other_shapes_names_and_kinds_are_refused(folder):
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    save_file({**weights, name: torch.zeros(3, 5)}, file)
    assert refused(folder, "model.safetensors", "do not fit")
    save_file({one: value for one, value in weights.items() if one != name}, file)
    assert refused(folder, "1 tensors missing")
    save_file({**weights, "stranger": torch.zeros(1)}, file)
    assert refused(folder, "1 unknown")
    save_file({**weights, name: torch.full_like(weights[name], math.nan)}, file)
    assert refused(folder, "NaN")
    file.unlink()
    torch.save(weights, folder / "model.pt")
    assert refused(folder, "model.safetensors is missing")


def header_of(content):
    """The header of a safetensors file as JSON, and the rest."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def with_header(header, rest):
    """A safetensors file with another header."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F16", "BF16", "F32", "I16", "U16", "U8", "BOOL", "F8_E4M3", "x"]) | JSON,
        "shape": st.lists(st.integers(-1, 5), max_size=3) | st.just([2**40, 2**40]) | JSON,
        "data_offsets": st.tuples(st.integers(-1, 400), st.integers(-1, 400)) | JSON,
    },
)
DAMAGE = st.one_of(
    st.tuples(st.just("entry"), st.integers(0, 20), ENTRY | JSON),
    st.tuples(st.just("name"), st.integers(0, 20), st.text(max_size=9)),
    st.tuples(st.just("size"), st.integers(0, 2**64 - 1) | st.integers(0, 9000), st.none()),
    st.tuples(st.just("bytes"), st.integers(0, 9000), st.binary(min_size=1, max_size=6)),
    st.tuples(st.just("cut"), st.integers(0, 9000), st.none()),
)


def damaged(content, how):
    """The file with one thing wrong in it, which may be one that does not matter."""
    kind, place, what = how
    if kind == "size":
        return place.to_bytes(8, "little") + content[8:]
    if kind == "bytes":
        return content[:place] + what + content[place + len(what) :]
    if kind == "cut":
        return content[:place]
    header, rest = header_of(content)
    name = sorted(header)[place % len(header)]
    if kind == "name":
        header[what] = header.pop(name)
    else:
        header[name] = header[name] | what if isinstance(what, dict) else what
    return with_header(header, rest)


@FUZZ
@given(how=DAMAGE)
def test_weights_with_a_damaged_header_load_whole_or_are_refused_in_a_line(how, model_folder, tmp_path):
    for file in model_folder.iterdir():
        if not (tmp_path / file.name).exists():
            (tmp_path / file.name).symlink_to(file)
    file, whole = tmp_path / "model.safetensors", (model_folder / "model.safetensors").read_bytes()
    file.unlink()
    file.write_bytes(damaged(whole, how))
    try:
        model = load_model(tmp_path)
    except ModelError as error:
        one_line(error)
    else:
        assert all(value.isfinite().all() for value in model.state_dict().values())


def test_weights_that_are_no_numbers_with_a_point_are_refused(folder):
    file = folder / "model.safetensors"
    header, rest = header_of(file.read_bytes())
    name = next(name for name in header if name != "__metadata__")
    for kind in ("I16", "U16"):
        file.write_bytes(with_header({**header, name: {**header[name], "dtype": kind}}, rest))
        assert refused(folder, "model.safetensors", name)


def test_the_tokenizer_of_another_model_is_refused(folder, tokenizer_file):
    from samples import lines

    from asr.tokenizer import copy_tokenizer, train_tokenizer

    train_tokenizer(lines(200), folder / "tokenizer.model", 48)
    assert refused(folder, "48 pieces and the model 64")
    copy_tokenizer(tokenizer_file, folder)
    assert Recognizer.from_pretrained(folder).name == "model"
    train_tokenizer(lines(200, seed=1), folder / "tokenizer.model", 64)
    assert refused(folder, "tokenizer.model", "tokens.txt")


@FUZZ
@given(values=st.dictionaries(st.sampled_from(["vocab_size", "encoder", "frontend", "phone_layer"]), JSON))
def test_model_settings(values, model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    for file in model_folder.iterdir():
        (folder / file.name).symlink_to(file)
    given_settings = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(given_settings))
    try:
        Recognizer.from_pretrained(folder)
    except ModelError as error:
        one_line(error)

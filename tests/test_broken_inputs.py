"""Whatever a file holds, reading it gives something usable or one line that says what is wrong."""

import io
import json
import math
import shutil
import struct

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from samples import tones

from asr.audio import AudioError, duration, read_audio
from asr.bias_file import format_bias, read_bias
from asr.manifest import ManifestError, read_audio_paths, read_manifest
from asr.model import ModelError, load_model
from asr.recognizer import Recognizer
from asr.settings import ConfigError
from biasing.g2p import Pronouncer
from biasing.phrase_edit import line_of
from biasing.phrases import Phrase, PhraseError, make_phrases, read_phrases

FUZZ = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CHARACTERS = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from("abc '\t:|/#-12.\u200f\u202e\u0627\u05d0😀👩‍👩‍👧é▁\x00\x1b\u2028"), max_size=40),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=6,
)


def one_line(error):
    """The message of an error, which must be a line that a terminal can show."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def usable(phrases):
    """Whether all that is said of a list can be shown, and all that is listened for can be spelled."""
    for entry in phrases:
        assert all(set(words) <= set("abcdefghijklmnopqrstuvwxyz' ") for words in entry.spellings)
        assert entry.spellings or entry.pronunciations
    for bad in phrases.unusable:
        assert bad.reason
        assert (bad.text + bad.reason).isprintable()


@FUZZ
@given(content=st.binary(max_size=200) | st.lists(CHARACTERS, max_size=6).map("\n".join))
def test_phrase_files(content, tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        usable(read_phrases(file))
    except PhraseError as error:
        one_line(error)


@FUZZ
@given(
    text=CHARACTERS,
    boost=st.none() | st.floats() | st.integers(),
    sounds_like=st.lists(CHARACTERS, max_size=2),
    display=st.none() | CHARACTERS,
)
def test_phrases_of_a_list(text, boost, sounds_like, display):
    phrase = Phrase(text, boost, sounds_like, display)
    usable(make_phrases([phrase, text]))
    try:
        assert make_phrases([line_of(phrase)]) == make_phrases([phrase])
    except PhraseError as error:
        one_line(error)


ROW = st.fixed_dictionaries(
    {},
    optional={
        "audio_filepath": JSON | st.just("a.wav") | CHARACTERS,
        "duration": JSON,
        "text": JSON,
        "id": JSON,
        "entities": JSON,
        "speaker": JSON,
    },
)


@FUZZ
@given(content=st.binary(max_size=100) | st.lists(JSON | ROW, max_size=4))
def test_manifests(content, tmp_path):
    file = tmp_path / "list.jsonl"
    if isinstance(content, list):
        content = "\n".join(map(json.dumps, content)).encode()
    file.write_bytes(content)
    for read in (read_manifest, read_audio_paths):
        try:
            assert read(file)
        except ManifestError as error:
            one_line(error)


def wav(**changes):
    """A wav file whose header says what is asked for."""
    fields = {"format": 1, "channels": 1, "rate": 16_000, "bits": 16, "data": 200} | changes
    block = fields["channels"] * fields["bits"] // 8 & 0xFFFF
    head = struct.pack(
        "<HHIIHH", fields["format"], fields["channels"], fields["rate"], 0, block, fields["bits"]
    )
    body = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", fields["data"]) + bytes(200)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


HEADERS = st.builds(
    wav,
    format=st.sampled_from([1, 3, 6, 7, 2, 0x55, 0xFFFE]) | st.integers(0, 0xFFFF),
    channels=st.sampled_from([0, 1, 2, 64, 65535]),
    rate=st.sampled_from([0, 1, 8000, 16_000, 48_000, 2**32 - 1]),
    bits=st.sampled_from([0, 1, 8, 16, 24, 32, 64, 65535]),
    data=st.sampled_from([0, 1, 199, 200, 2**31, 2**32 - 1]),
)


@FUZZ
@given(content=st.binary(max_size=300) | HEADERS, cut=st.integers(0, 250), noise=st.binary(max_size=4))
def test_audio_headers(content, cut, noise):
    for broken in (content, content[:cut], content[:cut] + noise + content[cut + len(noise) :]):
        for read in (read_audio, duration):
            try:
                found = read(io.BytesIO(broken))
            except AudioError as error:
                one_line(error)
            else:
                assert np.isfinite(found).all()


TABLE = st.dictionaries(
    st.sampled_from(["boosting", "variants", "n_best", "boost", "phonetic", "unigram", "wrong"]),
    st.sampled_from(
        ["true", "-1", "0", "nan", "1e400", "'x'", "[]", "{budget = -1}", "{budget = 5}", "{x = 1}"]
    ),
    max_size=3,
)


@FUZZ
@given(content=st.binary(max_size=60) | TABLE)
def test_options_in_toml(content, tmp_path):
    file = tmp_path / "options.toml"
    if isinstance(content, dict):
        content = "\n".join(f"{name} = {value}" for name, value in content.items()).encode()
    file.write_bytes(content)
    try:
        options = read_bias(file)
    except ConfigError as error:
        one_line(error)
    else:
        file.write_text(format_bias(options))
        assert read_bias(file) == options


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


def test_long_lists_and_long_phrases_are_handled_or_named(model_folder):
    recognizer = Recognizer.from_pretrained(model_folder)
    sound = (tones(1.0, 4), 16_000)
    long = " ".join(["llan", "fair"] * 50)
    strange = ["👩‍👩‍👧", "مرحبا", "\u202eabc", "a\x00b", "a" * 70, long, "x" * 1001, "שלום", "ab\x1b[31m"]
    result = recognizer.transcribe(sound, strange)
    told = {one.phrase for one in result.bias} | {bad.text for bad in result.bias.unusable}
    assert len(told) == len(strange)
    assert all(bad.reason.isprintable() for bad in result.bias.unusable)
    assert Pronouncer.load()


def test_a_list_of_100_000_phrases_is_read(tmp_path):
    import itertools

    letters = itertools.product("bcdfgklmnprst", "aeiou", "bcdfgklmnprst", "aeiou", "bdgklmnrst", "aeiou")
    names = ["".join(one) for one in itertools.islice(letters, 0, 200_000, 2)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    phrases = read_phrases(tmp_path / "names.txt")
    assert len(phrases) == 100_000
    assert not phrases.unusable

"""Whatever a file holds, reading it gives something usable or one line that says what is wrong."""

import io
import json
import struct

import numpy as np
from fuzz import FUZZ, JSON, one_line
from hypothesis import given
from hypothesis import strategies as st
from samples import tones

from asr.audio import AudioError, duration, read_audio
from asr.bias_file import format_bias, read_bias
from asr.manifest import ManifestError, read_audio_paths, read_manifest
from asr.recognizer import Recognizer
from asr.settings import ConfigError
from biasing.g2p import Pronouncer
from biasing.phrase_check import check, format_check
from biasing.phrase_edit import line_of
from biasing.phrases import Phrase, PhraseError, make_phrases, read_phrases

CHARACTERS = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from("abc '\t:|/#-12.\u200f\u202e\u0627\u05d0😀👩‍👩‍👧é▁\x00\x1b\u2028"), max_size=40),
)


def usable(phrases):
    """Whether all that is said of a list can be shown, and all that is listened for can be spelled."""
    for entry in phrases:
        assert all(set(words) <= set("abcdefghijklmnopqrstuvwxyz' ") for words in entry.spellings)
        assert entry.spellings or entry.pronunciations
        assert not set(entry.display) & set(
            "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        )
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


def test_phrases_that_nobody_can_say_are_checked_as_others_are(tmp_path, tokenizer):
    strange = [
        "x" * 500,
        "novagrid " + "y" * 70,
        " ".join(["llan fair"] * 50),
        "a" * 100_000,
        "😀",
        "Novagrid",
    ]
    (tmp_path / "names.txt").write_text("\n".join(strange))
    rows = check(tmp_path / "names.txt", tokenizer.encode, tokenizer.pieces, pronouncer=Pronouncer.load())
    assert [row.lines for row in rows] == [(n,) for n in range(1, 7)]
    assert [row.reason is None for row in rows] == [True, True, True, False, False, True]
    assert ["no pronunciation" in " ".join(row.risks) for row in rows] == [True, True, *[False] * 4]
    assert max(map(len, format_check(rows).splitlines())) < 10_000


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

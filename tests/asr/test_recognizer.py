"""The recognizer: the same sound gives the same words however it comes, and silence gives none."""

import dataclasses
import io
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from samples import RATE, bursts, tones, write_wav

import asr
from asr.audio import AudioError
from asr.decoding import DecodingError, DecodingOptions, load_decoding_options, save_decoding_options
from asr.model import ModelError
from asr.percepnet import DenoiseError
from asr.recognizer import Recognizer, model_folder
from asr.tokenizer import TokenizerError
from biasing.phrases import PhraseError
from lm.ngram import LanguageModelError

SOUND = (np.zeros(1600, np.float32), RATE)
WAYS = [
    DecodingOptions(greedy=True),
    DecodingOptions(beam=1),
    DecodingOptions(beam=8),
    DecodingOptions(lm=False),
]


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


def sound(seconds, seed=0):
    """Samples that 16 bits hold exactly."""
    return (np.clip(tones(seconds, seed), -1, 0.99) * 32768).astype(np.int16)


@pytest.mark.parametrize("options", WAYS, ids=["greedy", "beam 1", "beam 8", "no lm"])
def test_silence_gives_empty_text_and_sound_does_not(recognizer, options):
    for seconds in (0.01, 0.5, 3.0):
        result = recognizer.transcribe((np.zeros(round(seconds * RATE), np.float32), RATE), options=options)
        assert result.text == ""
        assert result.segments == ()
        assert result.duration == pytest.approx(seconds, abs=1e-3)
    assert recognizer.transcribe((sound(2.0), RATE), options=options).text


def test_a_file_an_array_and_a_stream_sound_alike(recognizer, tmp_path):
    samples = sound(2.5, 3)
    file = tmp_path / "a.wav"
    soundfile.write(file, samples, RATE)
    named = recognizer.transcribe(file)
    others = [
        recognizer.transcribe(str(file)),
        recognizer.transcribe((samples, RATE)),
        recognizer.transcribe(io.BytesIO(file.read_bytes())),
        *recognizer.transcribe_many([file, (samples.astype(np.float32) / 32768, RATE)]),
    ]
    assert named.text
    assert named.audio == str(file)
    assert named.model == recognizer.name == "tiny"
    assert all(other.segments == named.segments for other in others)
    assert others[1].audio == ""


def test_words_lie_in_order_inside_the_recording(recognizer):
    result = recognizer.transcribe((sound(3.3, 5), RATE))
    times = [time for word in result.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= result.duration == pytest.approx(3.3)
    assert result.text == " ".join(word.text for word in result.words)


def test_long_audio_keeps_its_clock(recognizer):
    heard = []
    result = recognizer.transcribe((bursts(70.0, 4), RATE), on_progress=lambda *now: heard.append(now))
    assert len(result.segments) > 2
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert {total for _, total in heard} == {70.0}
    assert heard[-1] == (result.duration, result.duration)
    edges = [edge for segment in result.segments for edge in (segment.start, segment.end)]
    assert edges == sorted(edges)
    assert edges[-1] <= 70.0
    assert edges[-2] > 35.0
    for segment in result.segments:
        assert segment.start == segment.words[0].start
        assert segment.end == segment.words[-1].end


def test_a_part_of_a_batch_is_heard_as_if_alone(recognizer):
    parts = [tones(seconds, seed) for seed, seconds in enumerate((0.37, 2.0, 1.23))]
    for together, part in zip(recognizer.acoustics(parts), parts, strict=True):
        (alone,) = recognizer.acoustics([part])
        np.testing.assert_allclose(together.log_probs, alone.log_probs, atol=2e-3, rtol=1e-3)
        np.testing.assert_allclose(together.phone_log_probs, alone.phone_log_probs, atol=2e-3, rtol=1e-3)


def test_two_threads_hear_what_one_hears(recognizer):
    sounds = [(sound(1.0 + 0.3 * seed, seed), RATE) for seed in range(6)]
    expected = [recognizer.transcribe(one) for one in sounds]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(recognizer.transcribe, sounds)) == expected


def test_options_are_those_of_the_folder_unless_given(recognizer, model_folder):
    assert (
        recognizer.options
        == load_decoding_options(model_folder)
        == DecodingOptions(beam=4, lm_weight=0.3, word_bonus=0.5)
    )
    one = (sound(3.0, 8), RATE)
    assert recognizer.transcribe(one) == recognizer.transcribe(one, options=recognizer.options)
    eager = dataclasses.replace(recognizer.options, word_bonus=8.0)
    assert len(recognizer.transcribe(one, options=eager).words) > len(recognizer.transcribe(one).words)


def test_decoding_options_are_kept_and_checked(tmp_path):
    assert load_decoding_options(tmp_path) == DecodingOptions()
    options = DecodingOptions(beam=3, lm=False, lm_weight=0.25, word_bonus=-1.0, unk_penalty=-2.0)
    save_decoding_options(options, tmp_path)
    assert load_decoding_options(tmp_path) == options
    for text in ('{"beams": 3}', "{", "3", "[]", '{"beam": 0}', '{"phone_weight": -1}'):
        (tmp_path / "decoding.json").write_text(text)
        with pytest.raises(DecodingError) as caught:
            load_decoding_options(tmp_path)
        assert "decoding.json" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(DecodingOptions)])
def test_no_decoding_option_takes_a_value_of_another_kind(tmp_path, name):
    for value in ('"a"', "null", "[1]"):
        (tmp_path / "decoding.json").write_text(f'{{"{name}": {value}}}')
        with pytest.raises(DecodingError, match=rf"decoding\.json: {name}: expected \w+, got"):
            load_decoding_options(tmp_path)


def spoil(name, data):
    return lambda folder: (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda folder: (folder / "tokenizer.model").unlink(), TokenizerError),
        (spoil("tokenizer.model", b"x"), TokenizerError),
        (spoil("lm.bin", b"no model"), LanguageModelError),
        (spoil("decoding.json", b"["), DecodingError),
        (spoil("config.json", b"["), ModelError),
        (spoil("model.safetensors", b"x"), ModelError),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(model_folder, tmp_path, damage, error):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    damage(folder)
    with pytest.raises(error) as caught:
        Recognizer.from_pretrained(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_language_model_decodes_without(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    (folder / "lm.bin").unlink()
    bare, full = Recognizer.from_pretrained(folder), Recognizer.from_pretrained(model_folder)
    one = (sound(2.0, 9), RATE)
    off = dataclasses.replace(full.options, lm=False)
    assert bare.transcribe(one).segments == full.transcribe(one, options=off).segments


def test_models_are_found_by_shipped_name_or_path(tmp_path, monkeypatch):
    (tmp_path / "pretrained" / "one-en").mkdir(parents=True)
    (tmp_path / "pretrained" / "one-en" / "tokenizer.model").touch()
    monkeypatch.setattr("asr.recognizer.PRETRAINED", tmp_path / "pretrained")
    monkeypatch.chdir(tmp_path)
    assert model_folder("one-en") == tmp_path / "pretrained" / "one-en"
    assert model_folder(".").resolve() == tmp_path
    assert model_folder(tmp_path) == tmp_path
    with pytest.raises(ModelError, match=r"two-en: no such model; .*\(one-en\)"):
        model_folder("two-en")


def test_audio_that_cannot_be_read_is_named(recognizer, tmp_path):
    write_wav(tmp_path / "empty.wav", np.zeros(0, np.float32))
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("missing.wav", "empty.wav", "text.wav"):
        with pytest.raises(AudioError, match=name):
            recognizer.transcribe(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((None,), AudioError, ("None", "accepted are a path")),
        ((16_000,), AudioError, ("16000 (int)",)),
        ((["a.wav"],), AudioError, ("list", "accepted are a path")),
        ((np.zeros(9),), AudioError, ("pair (samples, rate in Hz)",)),
        (((np.zeros(9), 16_000, 2),), AudioError, ("tuple of 3", "pair")),
        ((np.zeros(9), 16_000), PhraseError, ("16000", "(samples, rate)", "phrase file")),
        ((SOUND, "Kyiv"), PhraseError, ("'Kyiv': no such phrase file", "as a list")),
        ((SOUND, "Kyiv " * 200), PhraseError, ("no such phrase file",)),
        ((SOUND, {"Kyiv": 12.0}), PhraseError, ("dict", "Phrase(text, boost)")),
        ((SOUND, [16_000]), PhraseError, ("phrase 1 is 16000",)),
        ((SOUND, None, {"beam": 4}), DecodingError, ("dict", "DecodingOptions(...)")),
        ((SOUND, None, None, {"n_best": 4}), DecodingError, ("dict", "BiasOptions(...)")),
        ((SOUND, None, None, None, None, "on"), DenoiseError, ("'on'", "True, False")),
    ],
)
def test_what_is_no_argument_is_named_in_a_line(recognizer, arguments, error, words):
    with pytest.raises(error) as caught:
        recognizer.transcribe(*arguments)
    assert "\n" not in str(caught.value)
    for one in words:
        assert one in str(caught.value)


def test_the_package_offers_its_names():
    for name in asr.__all__:
        assert getattr(asr, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        asr.nothing  # noqa: B018


@pytest.mark.parametrize("beam", [1, 4, 16, 64])
def test_the_shipped_model_hears_nothing_where_nothing_is_said(beam):
    shipped = Recognizer.from_pretrained()
    options = dataclasses.replace(shipped.options, beam=beam)
    noise = np.random.default_rng(0).normal(size=16_000 * 20) * 1e-3
    for nothing in (np.zeros(16_000 * 40), noise):
        assert shipped.transcribe((nothing.astype(np.float32), 16_000), options=options).text == ""


@pytest.mark.parametrize("level", [1e-4, 1e-2, 0.3])
def test_hiss_is_no_word_and_no_phrase_at_any_level(recognizer, level):
    hiss = (level * np.random.default_rng(1).normal(size=16_000 * 3)).astype(np.float32)
    result = recognizer.transcribe((hiss, 16_000), ["vijun", "kori tume"])
    assert result.text == ""
    assert result.duration == pytest.approx(3.0)
    assert not result.bias.fired


def test_channels_are_heard_each_by_itself(recognizer, tmp_path):
    left, right = sound(2.5, 31), sound(2.5, 32)
    file, heard = tmp_path / "call.wav", []
    soundfile.write(file, np.stack([left, right], 1), RATE)
    result = recognizer.transcribe_channels(file, on_progress=lambda *now: heard.append(now))
    for number, alone in enumerate((left, right), start=1):
        own = [segment.text for segment in result.segments if segment.channel == number]
        assert own == [segment.text for segment in recognizer.transcribe((alone, RATE)).segments]
    assert result.duration == pytest.approx(2.5)
    assert heard == [(1.25, 2.5), (2.5, 2.5), (2.5, 2.5)]
    with pytest.raises(AudioError, match="standard input cannot"):
        recognizer.transcribe_channels("-")


def test_each_recording_may_have_a_list_of_its_own(recognizer):
    sounds = [(sound(1.5, seed), RATE) for seed in (40, 41, 42)]
    lists = [["Keswick"], None, ["Tobermory", "Llandudno"]]
    together = list(recognizer.transcribe_many(sounds, lists=lists))
    assert together == [recognizer.transcribe(*pair) for pair in zip(sounds, lists, strict=True)]
    assert [result.bias is None for result in together] == [False, True, False]
    for wrong in ({"lists": lists[:2]}, {"lists": [*lists, None]}, {"lists": lists, "phrases": ["a"]}):
        with pytest.raises(PhraseError, match="phrase list"):
            list(recognizer.transcribe_many(sounds, **wrong))

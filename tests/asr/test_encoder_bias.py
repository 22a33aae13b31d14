"""The adapter inside the recognizer: harmless where it has no part, heard where it has one."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from samples import RATE, lines, tones, words, write_wav
from test_cli import onoma, refused

from asr.adapter_files import ADAPTER_CONFIG_FILE, base_digest, load_adapter, save_adapter
from asr.encoder_bias import Adapted, EncoderBias, Sound
from asr.evaluation.techniques import TechniqueError, default_techniques, make_techniques
from asr.model import DELTAS_FILE, WEIGHTS_FILE, load_model
from asr.phrase_decoder import PhraseDecoder
from asr.prepared import PreparedPhrases, Tools
from asr.recognizer import Recognizer
from biasing.adapter import AdapterConfig, AdapterError, ContextualAdapter
from biasing.attention import NO_BIAS
from biasing.g2p import Pronouncer
from biasing.options import AdapterOptions, BiasOptions, BiasOptionsError
from biasing.phrases import Phrase, make_phrases

LOUD = BiasOptions(encoder=AdapterOptions(threshold=0.0, strength=3.0))
PHRASES = ["vijun", "shanba", "kori tume", "pexquo", "lofawy"]
ALONE = BiasOptions().without("boosting", "classes", "rescoring", "veto", "spotting", "lookup", "gate")


@pytest.fixture(scope="module")
def adapted_folder(model_folder, tmp_path_factory):
    """The tiny model with an adapter of random weights."""
    folder = tmp_path_factory.mktemp("adapted") / "tiny"
    shutil.copytree(model_folder, folder)
    model = load_model(folder)
    torch.manual_seed(4)
    shape = AdapterConfig(state_dim=model.config.encoder.dim, layers=3, dim=16, hidden=8, context=5)
    adapter = ContextualAdapter(shape, model.head.linear.weight)
    with torch.no_grad():
        adapter.encoder.out.weight.normal_()
    save_adapter(adapter, folder, base_digest(folder))
    return folder


@pytest.fixture(scope="module")
def plain(model_folder):
    return Recognizer.from_pretrained(model_folder)


@pytest.fixture(scope="module")
def recognizer(adapted_folder):
    return Recognizer.from_pretrained(adapted_folder)


@pytest.fixture(scope="module")
def sound():
    return tones(3.0, 8), RATE


def applied(recognizer, sound, phrases, options):
    """What the adapter makes of a sound, and the sound's acoustics."""
    acoustics = recognizer.acoustics([sound[0]])[0]
    tokens = recognizer.tokenizer.encode
    encoded = recognizer.encoder_bias.encode(tuple(make_phrases(phrases)), tokens, 8.0)
    sound = Sound(acoustics.log_probs, acoustics.phone_log_probs, acoustics.states)
    return recognizer.encoder_bias(sound, encoded, options), acoustics


def test_what_earlier_lists_had_is_remembered_and_changes_nothing(recognizer, monkeypatch):
    """However many lists came before, a list is encoded as a recognizer does that has seen none."""
    monkeypatch.setattr("asr.encoder_bias.MOST_REMEMBERED", 4)
    words = ["kyiv", "oslo", "bergen", "rome", "siobhan"]
    tokens, head = recognizer.tokenizer.encode, recognizer.encoder_bias._head
    for count in (2, 5, 3, 0, 4, 1):
        entries = tuple(make_phrases(words[:count]))
        found = recognizer.encoder_bias.encode(entries, tokens, 8.0)
        fresh = EncoderBias(recognizer.encoder_bias._adapter, head, 0.04).encode(entries, tokens, 8.0)
        for name in ("keys", "values", "now", "place", "tokens", "lengths", "log_weights", "owner"):
            torch.testing.assert_close(getattr(found, name), getattr(fresh, name))
        assert len(recognizer.encoder_bias._known) <= 4


def test_without_a_list_the_adapter_is_not_heard(recognizer, plain, sound):
    alone = plain.transcribe(sound)
    assert recognizer.transcribe(sound).segments == alone.segments
    assert recognizer.transcribe(sound, []).segments == alone.segments
    off = BiasOptions().without("adapter")
    with_list, without = recognizer.transcribe(sound, PHRASES, bias=off), plain.transcribe(sound, PHRASES)
    assert with_list.segments == without.segments
    assert with_list.bias == without.bias
    assert with_list.bias.attention is None


def test_an_utterance_in_which_no_phrase_is_attended_to_stays_as_it_is_bit_for_bit(recognizer, sound):
    found, acoustics = applied(recognizer, sound, PHRASES, AdapterOptions(threshold=1.0))
    assert found.log_probs is acoustics.log_probs
    found, acoustics = applied(recognizer, sound, PHRASES, AdapterOptions(threshold=0.0))
    assert np.abs(found.log_probs - acoustics.log_probs).max() > 0.1
    np.testing.assert_allclose(np.exp(found.log_probs).sum(1), 1.0, atol=1e-4)
    peak = 1.0 - found.attention.shares[:, 0].min()
    for threshold, same in ((peak + 1e-4, True), (peak - 1e-4, False)):
        found, acoustics = applied(recognizer, sound, PHRASES, AdapterOptions(threshold=threshold))
        assert (found.log_probs is acoustics.log_probs) == same


def test_nothing_is_added_at_strength_zero_and_by_phrases_of_no_worth(recognizer, sound):
    still = AdapterOptions(threshold=0.0, strength=0.0)
    found, acoustics = applied(recognizer, sound, PHRASES, still)
    np.testing.assert_allclose(found.log_probs, acoustics.log_probs, atol=1e-4)
    unloved = [Phrase(text, boost) for text, boost in zip(PHRASES, (0.0, -1.0, 0.0, -3.0, 0.0), strict=True)]
    found, acoustics = applied(recognizer, sound, unloved, AdapterOptions(threshold=1e-6))
    assert found.log_probs is acoustics.log_probs


def test_a_boost_weighs_in_the_attention(recognizer, sound):
    def share(boost):
        given = [Phrase(PHRASES[0], boost), *PHRASES[1:]]
        found, _ = applied(recognizer, sound, given, AdapterOptions())
        place = [entry.display for entry in make_phrases(given)].index(PHRASES[0])
        return found.attention.shares[:, 1 + found.attention.entries.index(place)].mean()

    assert share(1.0) < share(None) == share(8.0) < share(40.0)


def test_a_long_list_is_cut_down_to_the_phrases_that_matter(recognizer, sound):
    many = sorted({*words(300, 5), *PHRASES})
    whole, _ = applied(recognizer, sound, many, AdapterOptions(threshold=0.0))
    cut, _ = applied(recognizer, sound, many, AdapterOptions(threshold=0.0, longest=50, kept=40))
    assert len(cut.attention.entries) <= 40 < len(many)
    best = whole.attention.entries[int(whole.attention.shares[:, 1:].max(axis=0).argmax())]
    assert best in cut.attention.entries


def test_two_thousand_phrases_take_no_more_memory_a_frame_than_five_hundred(recognizer, sound, monkeypatch):
    adapter, sizes = recognizer.encoder_bias._adapter, []
    compare = adapter._logits

    def remember(questions, phrases):
        found = compare(questions, phrases)
        sizes.append(found.numel() / found.shape[1])
        return found

    monkeypatch.setattr(adapter, "_logits", remember)
    many = sorted({one + two for one, two in zip(words(6000, 1), words(6000, 2), strict=True)})
    applied(recognizer, sound, many[:500], AdapterOptions())
    most = max(sizes)
    assert len(many) > 2000
    found, _ = applied(recognizer, sound, many[:2000], AdapterOptions())
    assert max(sizes) < 1.3 * most
    assert len(found.attention.entries) <= AdapterOptions().kept


def test_the_order_of_a_list_does_not_matter(recognizer, sound):
    one = recognizer.transcribe(sound, PHRASES, bias=LOUD)
    assert recognizer.transcribe(sound, PHRASES[::-1], bias=LOUD) == one


def test_a_list_is_encoded_once(recognizer, sound, monkeypatch):
    calls, encode = [], recognizer.encoder_bias.encode
    monkeypatch.setattr(recognizer.encoder_bias, "encode", lambda *given: calls.append(1) or encode(*given))
    for _ in range(3):
        recognizer.transcribe(sound, ["koribatu", "memelo"])
        recognizer.transcribe(sound, ["memelo", "koribatu"])
    assert len(calls) == 1


class Forced:
    """An encoder that hears one phrase, whatever was said."""

    def __init__(self, recognizer, phrase):
        tokens = recognizer.tokenizer.encode(phrase)
        self._path = [token for one in tokens for token in (0, one, 0)]
        self._vocab = len(recognizer.tokenizer)

    def encode(self, *given):
        return given

    def __call__(self, sound, *_):
        frames = len(sound.log_probs)
        forced = np.full((frames, self._vocab), 1e-6 / self._vocab)
        path = [*self._path, *[0] * frames][:frames]
        forced[np.arange(len(path)), path] = 1.0
        return Adapted(np.log(forced / forced.sum(1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("greedy", [True, False])
def test_what_the_encoder_hears_reaches_the_transcript_in_every_search(plain, sound, greedy):
    options = dataclasses.replace(plain.options, greedy=greedy, lm=False)
    encoder = Forced(plain, "shanba")
    tools = Tools(plain.tokenizer, options, ALONE, None, Pronouncer.load(), encoder)
    decoder = plain.decoder(options, ALONE)
    acoustics = plain.acoustics([sound[0]])[0]
    states = np.zeros((1, 1, 1), np.float32)
    for phrases, phrase in ((["shanba", "vijun"], "shanba"), (["vijun"], None)):
        prepared = PreparedPhrases(make_phrases(phrases), tools)
        heard = PhraseDecoder(decoder, decoder, prepared).decode(
            acoustics.log_probs, acoustics.phone_log_probs, states
        )
        said = [word.text for word in heard.plain]
        assert [word.text for word in heard.words] == (["shanba"] if phrase else said)
        assert said != ["shanba"]


def test_the_search_pays_less_where_the_encoder_paid(recognizer, plain):
    def budget(recognizer, share):
        bias = BiasOptions(encoder=AdapterOptions(decoder_share=share))
        given = make_phrases(["shanba", Phrase("vijunlo", 4.0), Phrase("pexquo", -2.0)])
        prepared = recognizer._prepare(given, recognizer.options, bias)
        return {
            prepared.spelled[match.entry].display: match.nats
            for text in ("shanba", "vijunlo", "pexquo")
            for match in prepared.graph.walk(recognizer.tokenizer.encode(text))
        }

    whole, half = budget(plain, 0.5), budget(recognizer, 0.5)
    assert budget(recognizer, 1.0) == whole
    assert half["shanba"] == pytest.approx(whole["shanba"] / 2)
    assert half["vijunlo"] == pytest.approx(whole["vijunlo"] / 2)
    assert half["pexquo"] == whole["pexquo"]


def test_the_picture_has_a_row_for_every_phrase(recognizer, sound, tmp_path):
    pytest.importorskip("matplotlib")
    result = recognizer.transcribe(sound, PHRASES, bias=LOUD)
    figure = result.bias.plot(tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 1000
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [NO_BIAS, *(one.display for one in make_phrases(PHRASES))]
    attention = result.bias.attention
    assert [word for word, _, _ in attention.words] == [word.text for word in result.words]
    frames = sum(len(part.shares) for part in attention.parts)
    assert frames * recognizer.model.frame_seconds == pytest.approx(3.0, abs=0.1)


def test_the_picture_on_the_command_line(adapted_folder, model_folder, tmp_path):
    pytest.importorskip("matplotlib")
    clips = [write_wav(tmp_path / f"{n}.wav", tones(1.0, n)) for n in range(2)]
    picture = tmp_path / "out.png"
    asked = ("--plot-attention", picture, "--phrase", "shanba")
    result = onoma("transcribe", clips[0], "--model", adapted_folder, *asked)
    assert result.exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert refused(onoma("transcribe", clips[0], "--model", model_folder, *asked), "no contextual adapter")
    assert refused(onoma("transcribe", *clips, "--model", adapted_folder, *asked), "one recording, not 2")
    assert refused(onoma("transcribe", clips[0], "--plot-attention", picture), "--phrase")


@pytest.mark.parametrize("changed", [WEIGHTS_FILE, DELTAS_FILE])
def test_an_adapter_belongs_to_its_base(changed, adapted_folder, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(adapted_folder, folder)
    weights = (folder / WEIGHTS_FILE).read_bytes()
    (folder / changed).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(AdapterError, match="other weights"):
        Recognizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("text", "wanted"), [(None, "is missing"), ("{", "cannot be used"), ('{"base": "x"}', "cannot be used")]
)
def test_a_broken_adapter_is_told_in_one_line(adapted_folder, tmp_path, text, wanted):
    folder = tmp_path / "tiny"
    shutil.copytree(adapted_folder, folder)
    file = folder / ADAPTER_CONFIG_FILE
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(AdapterError, match=wanted) as caught:
        load_adapter(folder, load_model(folder))
    assert "\n" not in str(caught.value)


def test_techniques_are_those_that_the_model_has(plain, recognizer):
    assert "adapter" in default_techniques(recognizer)
    assert "adapter" not in default_techniques(plain)
    assert [one.name for one in make_techniques(plain, ["joint"])] == ["none", "joint"]
    with pytest.raises(TechniqueError, match="has none"):
        make_techniques(plain, ["adapter"])
    chosen = make_techniques(recognizer, ["adapter"])[1]
    acoustics = recognizer.acoustics([tones(2.0, 3)])[0]
    phrases = make_phrases(lines(1, 3)[0].split())
    assert [word.text for word in chosen.decode(acoustics, phrases)] == [
        word.text
        for word in recognizer.phrase_decoder(phrases, bias=ALONE)
        .decode(acoustics.log_probs, acoustics.phone_log_probs, acoustics.states)
        .words
    ]


@pytest.mark.parametrize(
    "wrong", [{"strength": -1.0}, {"threshold": 2.0}, {"kept": 0}, {"decoder_share": 1.5}]
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(BiasOptionsError):
        AdapterOptions(**wrong)

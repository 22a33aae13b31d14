"""Anyone's CTC model: labels of the usual kinds spell, phrases decide between readings, lists do no harm."""

import logging
import random

import numpy as np
import pytest
import torch

from asr import Recognizer
from asr.align import LogProbsError
from asr.decoding import DecodingOptions
from asr.labels import Labels, LabelsError
from asr.log_prob_recognizer import NEED_MORE, OwnModel
from biasing.options import BiasOptions

LETTERS = "ETAONIHSRDLUMWCFGYPBVKXJQZ"
TORCHAUDIO = ["-", "|", *LETTERS, "'"]
HUGGING_FACE = {
    name: number for number, name in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS, "'"])
}
NEMO = ["<unk>", "▁", *(f"▁{one}" for one in "tshwm"), *LETTERS.lower(), "'", "en", "sk", "▁the", "lou"]
WORD_PIECES = ["[PAD]", "[UNK]", *LETTERS.lower(), *(f"##{one}" for one in LETTERS.lower()), "##en", "the"]
KINDS = {"torchaudio": (TORCHAUDIO, 0), "hugging face": (HUGGING_FACE, None), "nemo": (NEMO, len(NEMO))}
KINDS["word pieces"] = (WORD_PIECES, "[PAD]")


@pytest.fixture(params=KINDS, ids=list(KINDS))
def kind(request):
    """Labels in order with their blank, and a recognizer of them."""
    labels, blank = KINDS[request.param]
    recognizer = Recognizer.from_log_probs(labels, blank)
    names = list(labels) if recognizer.labels.blank < len(labels) else [*labels, "blank"]
    return names, recognizer


def columns(names, labels, text):
    """The outputs of a model that says `text`."""
    spelled = [labels.pieces[token] for token in labels.encode(text)]
    if labels.delimited:
        spelled = spelled[1:]
    kept = {piece: column for column, piece in reversed(list(enumerate(_pieces(names, labels))))}
    return [kept[piece] for piece in spelled]


def _pieces(names, labels):
    """What each output means, found by asking for one frame in which it is certain."""
    for column in range(len(names)):
        values = np.full((1, len(names)), -30.0)
        values[0, column] = 0.0
        yield labels.pieces[int(labels.fold(values)[-1].argmax())]


def say(names, said, blank, unsure=None, seed=0):
    """Log-probs (3 frames a label) that say outputs; `unsure` are others, a little less probable."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 0.3, (3 * len(said), len(names)))
    for place, column in enumerate(said):
        for frame, one in zip(range(3 * place, 3 * place + 3), (column, column, blank), strict=True):
            logits[frame, one] += 12.0
        if unsure and unsure[place] != column:
            logits[3 * place : 3 * place + 2, unsure[place]] += 10.5
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def test_what_labels_say_is_written(kind):
    names, recognizer = kind
    rng = random.Random(4)
    for seed in range(10):
        texts = ["".join(rng.choices("thesklouwmen", k=rng.randint(1, 7))) for _ in range(4)]
        said = columns(names, recognizer.labels, " ".join(texts))
        result = recognizer.transcribe(say(names, said, recognizer.labels.blank, seed=seed))
        assert result.text == " ".join(texts)
        assert result.duration == pytest.approx(0.02 * 3 * len(said))
        times = [time for word in result.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[-1] <= result.duration


def test_a_list_decides_between_readings_and_is_told_of(kind):
    names, recognizer = kind
    heard = columns(names, recognizer.labels, "we met him in lendow")
    meant = columns(names, recognizer.labels, "we met him in lendaw")
    sound = say(names, heard, recognizer.labels.blank, unsure=meant)
    assert recognizer.transcribe(sound).text == "we met him in lendow"
    result = recognizer.transcribe(sound, ["Lendaw", "Xerxes"])
    assert result.text == "we met him in Lendaw"
    assert {one.phrase: one.outcome for one in result.bias} == {"Lendaw": "fired", "Xerxes": "never"}
    assert next(iter(result.bias)).events[0].start == pytest.approx(result.words[-1].start)


def test_a_list_without_a_part_changes_nothing(kind):
    names, recognizer = kind
    for seed in range(5):
        logits = np.random.default_rng(seed).normal(0, 3.0, (60, len(names)))
        sound = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        plain = recognizer.transcribe(sound)
        for phrases in ([], ["☃"], ["zzyzx quux road"]):
            assert recognizer.transcribe(sound, phrases).segments == plain.segments


def test_folding_keeps_probabilities_and_silence_is_silent(kind):
    names, recognizer = kind
    logits = np.random.default_rng(1).normal(0, 2.0, (20, len(names)))
    folded = recognizer.labels.fold(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(np.exp(folded).sum(axis=1), 1.0, atol=1e-4)
    silence = say(names, [recognizer.labels.blank] * 40, recognizer.labels.blank)
    assert recognizer.transcribe(silence, ["Lendaw"]).text == ""


def test_words_begin_when_they_are_said():
    recognizer = Recognizer.from_log_probs(TORCHAUDIO, 0, model=OwnModel(frame_seconds=0.5))
    said = columns(TORCHAUDIO, recognizer.labels, "he met")
    words = recognizer.transcribe(say(TORCHAUDIO, said, 0)).words
    assert [word.text for word in words] == ["he", "met"]
    assert words[0].start == 0.0
    assert words[0].end == pytest.approx(2.5)
    assert words[1].end == pytest.approx(0.5 * (3 * 6 - 1))


def test_a_language_model_has_its_say(tmp_path):
    from lm.estimate import EstimateOptions, train

    (tmp_path / "text.txt").write_text("he met them\n" * 20 + "them then met he\n")
    train([tmp_path / "text.txt"], tmp_path / "lm.bin", EstimateOptions(order=2, prune=(0,)))
    own = OwnModel(lm=tmp_path / "lm.bin")
    recognizer = Recognizer.from_log_probs(TORCHAUDIO, 0, DecodingOptions(lm_weight=2.0), own)
    heard, meant = (columns(TORCHAUDIO, recognizer.labels, text) for text in ("he met thex", "he met them"))
    sound = say(TORCHAUDIO, heard, 0, unsure=meant)
    assert recognizer.transcribe(sound).text == "he met them"
    assert recognizer.transcribe(sound, options=DecodingOptions(lm=False)).text == "he met thex"
    assert "Thex" in recognizer.transcribe(sound, ["Thex\t60"]).text


def test_models_of_torchaudio_are_decoded():
    from torchaudio.models import wav2vec2_model

    torch.manual_seed(0)
    model = wav2vec2_model(
        "layer_norm", [(16, 10, 5), (16, 8, 8), (16, 4, 8)], False, 16, 0.0, 8, 2, 1, 2, 0.0, 16, 0.0, 0.0,
        False, 0.0, len(TORCHAUDIO),
    ).eval()  # fmt: skip
    with torch.inference_mode():
        emission, _ = model(torch.randn(1, 16_000))
    recognizer = Recognizer.from_log_probs(TORCHAUDIO, "-")
    result = recognizer.transcribe(emission[0].log_softmax(-1), ["Zelenskyy"])
    assert result.duration == pytest.approx(0.02 * emission.shape[1])


def test_models_of_hugging_face_are_decoded():
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        vocab_size=len(HUGGING_FACE), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, conv_dim=(16,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    with torch.inference_mode():
        logits = transformers.Wav2Vec2ForCTC(config).eval()(torch.randn(1, 16_000)).logits
    recognizer = Recognizer.from_log_probs(HUGGING_FACE)
    assert recognizer.transcribe(logits[0].log_softmax(-1), ["Zelenskyy"]).bias is not None


def test_what_does_not_apply_is_said(caplog):
    recognizer = Recognizer.from_log_probs(TORCHAUDIO, 0)
    sound = say(TORCHAUDIO, [2, 3], 0)
    with caplog.at_level(logging.WARNING):
        recognizer.transcribe(sound, ["Keswick"])
        assert not caplog.records
        recognizer.transcribe(sound, ["Keswick"], bias=BiasOptions(adapter=False))
    asked = ", ".join(name for name in NEED_MORE if name != "adapter")
    assert [record.message.partition(":")[0] for record in caplog.records] == [asked]


def test_phrases_that_cannot_be_spelled_are_told_of():
    labels = [label for label in NEMO if label != "'"]
    recognizer = Recognizer.from_log_probs(labels, len(labels))
    said = columns([*labels, "blank"], recognizer.labels, "the men")
    result = recognizer.transcribe(say([*labels, "blank"], said, len(labels)), ["O'Brien"])
    assert not result.bias.unusable  # said without the apostrophe
    assert Labels(labels, len(labels)).encode("o'brien") == Labels(labels, len(labels)).encode("obrien")
    own = Labels([*(one for one in NEMO if one not in ("▁", "x")), "▁x", "yx"], 0)
    with pytest.raises(LabelsError, match="cannot be spelled"):
        own.encode("exit")


@pytest.mark.parametrize(
    ("labels", "blank", "message"),
    [
        (TORCHAUDIO, None, "no label is a usual name of the blank"),
        (TORCHAUDIO, "<pad>", "blank is '<pad>'"),
        (TORCHAUDIO, 99, "number from 0 to 29"),
        (["<pad>", "|", "a", "b"], None, "lack c d e"),
        (["<pad>", *LETTERS], None, "where a word begins"),
        ("abc", 0, "give a list of strings"),
        ({"a": 0, "b": 2}, 0, "not 0, 1, 2"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(labels, blank, message):
    with pytest.raises(LabelsError, match=message):
        Recognizer.from_log_probs(labels, blank)


def test_what_are_no_log_probs_is_refused():
    recognizer = Recognizer.from_log_probs(TORCHAUDIO, 0)
    with pytest.raises(LogProbsError, match="log_softmax"):
        recognizer.transcribe(np.random.default_rng(0).normal(0, 3, (5, len(TORCHAUDIO))))
    with pytest.raises(LabelsError, match="4 columns and there are 29 labels"):
        recognizer.transcribe(np.full((3, 4), np.log(0.25)))

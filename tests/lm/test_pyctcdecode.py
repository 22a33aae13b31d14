"""pyctcdecode decodes with our models: its scores are those of the sentence, and a listed name is heard."""

import math
import random

import numpy as np
import pytest

from lm.classes import ClassModel, ClassOptions
from lm.estimate import EstimateOptions, train
from lm.ngram import LMOptions, NGram, WeightedNGram

pyctcdecode = pytest.importorskip("pyctcdecode")

LABELS = ["", "▁the", "▁d", "o", "c", "tor", "▁s", "a", "w", "▁si", "▁she", "v", "b", "n", "▁", "▁⁇▁"]
LM = LMOptions(weight=0.5, word_bonus=1.0, unk_penalty=-10.0)


@pytest.fixture(scope="module")
def ngram(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    rng = random.Random(3)
    sentences = (rng.choices(["the", "doctor", "saw", "she", "van"], k=6) for _ in range(300))
    (folder / "text.txt").write_text("\n".join(" ".join(words) for words in sentences))
    train([folder / "text.txt"], folder / "lm.bin", EstimateOptions(order=3, prune=(0,)))
    return NGram(folder / "lm.bin")


def decoder_of(model):
    from lm.pyctcdecode import PyctcdecodeLM

    alphabet = pyctcdecode.alphabet.Alphabet.build_alphabet(LABELS)
    return pyctcdecode.BeamSearchDecoderCTC(alphabet, PyctcdecodeLM(model))


def log_probs(pieces, rng, noise=(-8.0, -5.0)):
    """A spike for each piece with some noise, blanks between."""
    rows = []
    for piece in pieces:
        for label in (piece, ""):
            row = rng.uniform(*noise, len(LABELS))
            row[LABELS.index(label)] = 0.0
            rows.append(row - np.log(np.exp(row).sum()))
    return np.array(rows, np.float32)


def worth(model, text):
    state, nats = model.start(), 0.0
    for word in text.split():
        state, added = model.word(state, word)
        nats += added
    return nats + model.end(state)


def test_final_scores_are_those_of_the_sentence(ngram):
    rng = np.random.default_rng(4)
    members = [(("sha", "van"), 1.0), (("doctor",), 1.0), (("doctor", "sabo", "the"), 2.0), (("sivan",), 1.0)]
    checked = 0
    for model in (WeightedNGram(ngram, LM), ClassModel(ngram, members, LM, ClassOptions(12.0))):
        decoder = decoder_of(model)
        for _ in range(15):
            heard = log_probs(rng.choice(LABELS[1:-1], rng.integers(1, 7)), rng, noise=(-5.0, -1.0))
            for text, _, _, acoustic, score in decoder.decode_beams(heard, beam_width=8):
                assert score - acoustic == pytest.approx(worth(model, text), abs=1e-4)
                checked += 1
    assert checked > 60


def test_a_listed_name_is_heard_and_an_empty_list_changes_nothing(ngram):
    heard = log_probs(
        ["▁the", "▁d", "o", "c", "tor", "▁s", "a", "w", "▁si", "v", "a", "n"], np.random.default_rng(5)
    )
    for frame, said, rival in ((16, "▁si", "▁she"), (18, "v", "")):  # "she van" is the more probable reading
        heard[frame, LABELS.index(rival)] = math.log(0.6)
        heard[frame, LABELS.index(said)] = math.log(0.3)
    heard[18, LABELS.index("▁")] = math.log(0.05)
    plain = decoder_of(WeightedNGram(ngram, LM)).decode(heard)
    empty = decoder_of(ClassModel(ngram, [], LM)).decode(heard)
    listed = decoder_of(ClassModel(ngram, [(("sivan",), 1.0)], LM, ClassOptions(12.0))).decode(heard)
    assert plain == empty != listed
    assert listed == "the doctor saw sivan"


def test_silence_gives_empty_text(ngram):
    heard = np.full((5, len(LABELS)), -9.0, np.float32)
    heard[:, 0] = -0.01
    assert decoder_of(ClassModel(ngram, [(("sivan",), 1.0)], LM)).decode(heard) == ""

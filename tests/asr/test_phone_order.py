"""What is heard without a list, in the order that search and phones agree on; (synthetic) sample clips."""

import logging
import math
import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr.audio import read_audio
from asr.decoding import DecodingError, DecodingOptions
from asr.evaluation.techniques import make_techniques
from asr.manifest import read_manifest
from asr.phrase_decoder import plainly_heard
from asr.recognizer import Recognizer
from asr.search import BeamSearch, SearchOptions
from biasing.g2p import Pronouncer
from biasing.options import BiasOptions
from biasing.phone_alignment import cost_of
from biasing.phone_book import PhoneBook
from biasing.phrases import make_phrases

SAMPLES = Path(__file__).parents[2] / "recipes" / "samples"
WEIGHTS = (0.3, 3.0)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.from_pretrained("base-en")


@pytest.fixture(scope="module")
def heard(recognizer):
    samples = [read_audio(clip.audio) for clip in read_manifest(SAMPLES / "manifest.jsonl")]
    return recognizer.acoustics(samples)


def weighted(recognizer, weight):
    return replace(recognizer.options, phone_weight=weight)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_best_reading_has_the_highest_score_less_the_weighted_cost_of_its_phones(
    recognizer, heard, weight
):
    book = PhoneBook(Pronouncer.load())
    decoder = recognizer.decoder(weighted(recognizer, weight))
    moved = 0
    for one in heard:
        readings = decoder.readings(one.log_probs)
        costs = [cost_of(decoder.text(reading).split(), one.phones, book) for reading in readings]
        totals = [reading.score - weight * cost for reading, cost in zip(readings, costs, strict=True)]
        expected = readings[int(np.argmax(totals))]
        found = decoder.best(one.log_probs, one.phones)
        assert (found.tokens, found.score) == (expected.tokens, expected.score)
        moved += found.tokens != readings[0].tokens
    assert moved


def test_without_a_weight_or_without_phones_the_search_alone_decides(recognizer, heard):
    silent, asked = recognizer.decoder(recognizer.options), recognizer.decoder(weighted(recognizer, 3.0))
    for one in heard:
        expected = silent.decode(one.log_probs)
        assert silent.decode(one.log_probs, one.phones) == expected
        assert asked.decode(one.log_probs) == expected


@pytest.mark.parametrize(
    "switched_off", [(), ("gate",), ("rescoring",)], ids=["all", "no gate", "no rescoring"]
)
def test_a_list_of_which_nothing_is_spoken_changes_nothing(recognizer, heard, switched_off):
    options = weighted(recognizer, WEIGHTS[-1])
    absent = make_phrases(["Zbigniew", "Ouagadougou", "xylophonist"])
    decoder = recognizer.phrase_decoder(absent, options, BiasOptions().without(*switched_off))
    plain = recognizer.decoder(options)
    for one in heard:
        found = decoder.decode(one.log_probs, one.phone_log_probs, one.states)
        expected = plainly_heard(plain.decode(one.log_probs, one.phones))
        assert (found.words, found.plain) == (expected.words, expected.plain)


def test_transcripts_and_the_technique_without_a_list_are_in_that_order(recognizer, heard):
    options, changed = weighted(recognizer, WEIGHTS[-1]), 0
    own = Recognizer(
        recognizer.model, recognizer.tokenizer, recognizer.ngram, options, "own", recognizer.encoder_bias
    )
    [technique] = make_techniques(own, ["none"])
    for clip, one in zip(read_manifest(SAMPLES / "manifest.jsonl"), heard, strict=True):
        text = own.transcribe(clip.audio).text
        assert " ".join(word.text for word in technique.decode(one, make_phrases([]))) == text
        changed += text != recognizer.transcribe(clip.audio).text
    assert changed


def test_a_reading_that_cannot_be_said_comes_last(recognizer, heard):
    options = DecodingOptions(lm=False, phone_weight=0.1)

    class Readings(BeamSearch):
        def decode(self, *given, **named):
            best, second = super().decode(*given, **named)[:2]
            return [replace(best, tokens=best.tokens * 40), second]

    decoder = recognizer.decoder(options)
    decoder._search = Readings(SearchOptions(n_best=2))
    for one in heard:
        assert decoder.best(one.log_probs, one.phones).tokens == decoder.readings(one.log_probs)[1].tokens


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_weights_that_cannot_be_used(weight):
    with pytest.raises(DecodingError, match=r"phone_weight is .*; give 0 or a positive number"):
        DecodingOptions(phone_weight=weight)


def test_log_probs_alone_have_no_phones_and_who_asks_is_told(caplog):
    labels = ["<blank>", "▁", *string.ascii_lowercase]
    own = Recognizer.from_log_probs(labels, options=DecodingOptions(phone_weight=0.2))
    log_probs = np.log(np.full((4, len(labels)), 1 / len(labels), np.float32))
    with caplog.at_level(logging.WARNING):
        own.transcribe(log_probs)
    assert "phone_weight: needs phones of a model" in caplog.text


def test_greedy_decoding_has_one_reading_and_no_order(recognizer, heard):
    options = replace(recognizer.options, greedy=True)
    for one in heard[:2]:
        expected = recognizer.decoder(options).decode(one.log_probs)
        assert (
            recognizer.decoder(replace(options, phone_weight=3.0)).decode(one.log_probs, one.phones)
            == expected
        )

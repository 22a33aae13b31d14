"""Decoding with phrases, on the shipped model and the (synthetic) sample clips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr.audio import read_audio
from asr.compare import differences, format_differences
from asr.manifest import read_manifest
from asr.recognizer import Recognizer
from asr.result import ResultError
from biasing import phonetic
from biasing.gate import GateOptions
from biasing.options import BiasOptions, BiasOptionsError
from biasing.phrases import Phrase, joined, make_phrases, read_phrases
from biasing.report import Outcome

SAMPLES = Path(__file__).parents[2] / "recipes" / "samples"
SWITCHES = ("adapter", "boosting", "classes", "rescoring", "veto", "spotting", "lookup", "gate")
OFF = BiasOptions().without(*SWITCHES)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.from_pretrained("base-en")


@pytest.fixture(scope="module")
def clips():
    return read_manifest(SAMPLES / "manifest.jsonl")


@pytest.fixture(scope="module")
def phrases():
    return read_phrases(SAMPLES / "phrases.txt")


@pytest.fixture(scope="module")
def plain(recognizer, clips):
    return [recognizer.transcribe(clip.audio) for clip in clips]


@pytest.fixture(scope="module")
def biased(recognizer, clips, phrases):
    return [recognizer.transcribe(clip.audio, phrases) for clip in clips]


def named(results, clips):
    """How many of the names that are spoken are in the transcripts."""
    return sum(
        f" {entity} " in f" {result.text.lower()} "
        for result, clip in zip(results, clips, strict=True)
        for entity in clip.entities
    )


def test_a_list_brings_back_most_of_its_names(plain, biased, clips):
    spoken = sum(len(clip.entities) for clip in clips)
    assert named(plain, clips) <= spoken / 4
    assert named(biased, clips) >= named(plain, clips) + spoken / 4


def test_names_are_written_as_the_list_writes_them(biased, phrases):
    written = {entry.display for entry in phrases}
    shown = [word for result in biased for word in result.words if word.phrase is not None]
    assert shown
    assert {word.phrase for word in shown} <= written
    assert all(word.text in word.phrase for word in shown)


def test_the_report_tells_what_the_transcript_shows(biased, plain):
    for result, without in zip(biased, plain, strict=True):
        shown = {word.phrase for word in result.words if word.phrase is not None}
        assert {one.phrase for one in result.bias.fired} == shown
        assert result.bias.plain_text == without.text
        for one in result.bias.fired:
            event = next(event for event in one.events if event.outcome is Outcome.fired)
            assert 0 <= event.start < event.end <= result.duration
            assert 0 <= event.confidence <= 1


@pytest.mark.parametrize(
    "given", [None, [], ["☃"], make_phrases([])], ids=["none", "empty", "unusable", "empty list"]
)
def test_without_usable_phrases_nothing_changes(recognizer, clips, plain, given):
    result = recognizer.transcribe(clips[0].audio, given)
    assert result.segments == plain[0].segments
    assert (result.bias is None) == (given is None)


def test_with_all_switches_off_nothing_changes_but_the_writing(recognizer, clips, phrases, plain):
    for clip, expected in zip(clips[:3], plain, strict=False):
        result = recognizer.transcribe(clip.audio, phrases, bias=OFF)
        assert [word.text.lower() for word in result.words] == [word.text for word in expected.words]
        assert [word.confidence for word in result.words] == [word.confidence for word in expected.words]


def test_phrases_that_are_not_spoken_change_nothing(recognizer, clips, plain):
    absent = ["Zbigniew", "Ouagadougou", "xylophonist", "Quetzalcoatl", "Nebuchadnezzar"]
    heard = [recognizer.transcribe(clip.audio, absent) for clip in clips]
    assert [result.segments for result in heard] == [result.segments for result in plain]
    assert not any(result.bias.fired for result in heard)


def test_every_listed_word_of_a_transcript_is_marked(recognizer, clips, plain):
    listed = sorted({word.text for result in plain for word in result.words if len(word.text) > 4})
    for clip in clips:
        result = recognizer.transcribe(clip.audio, listed)
        marked = [word.phrase for word in result.words]
        assert marked == [word.text if word.text in listed else None for word in result.words]
        assert {one.phrase for one in result.bias.fired} == set(filter(None, marked))


def test_greedy_decoding_takes_phrases_without_a_beam(recognizer, clips, phrases):
    greedy = replace(recognizer.options, greedy=True)
    heard = recognizer.transcribe(clips[0].audio, phrases, greedy, OFF)
    assert [word.text.lower() for word in heard.words] == recognizer.transcribe(
        clips[0].audio, options=greedy
    ).text.split()


def test_a_discouraged_word_gives_way_to_another(recognizer, clips, plain):
    word = next(word for word in plain[3].words if word.confidence < 0.9 and len(word.text) > 3).text
    result = recognizer.transcribe(clips[3].audio, [f"{word} :-60"])
    assert word in plain[3].text.split()
    assert word not in result.text.split()


@pytest.mark.parametrize("switched_off", [(), ("gate",)], ids=["gate", "no gate"])
@pytest.mark.parametrize("phone_weight", [0.0, 3.0])
def test_a_discouraged_word_changes_nothing_but_its_place(recognizer, clips, phone_weight, switched_off):
    options = replace(recognizer.options, phone_weight=phone_weight)
    bias, changed = BiasOptions().without(*switched_off), 0
    for one in recognizer.acoustics([read_audio(clip.audio) for clip in clips[:4]]):
        expected = [word.text for word in recognizer.decoder(options).decode(one.log_probs, one.phones)]
        for word in dict.fromkeys(expected):
            decoder = recognizer.phrase_decoder(make_phrases([Phrase(word, boost=-3.0)]), options, bias)
            heard = [w.text for w in decoder.decode(one.log_probs, one.phone_log_probs, one.states).words]
            changed += heard != expected
            for _, instead_of in phonetic.differences(heard, expected):
                assert word in expected[slice(*instead_of)]
    assert changed


def test_the_order_of_the_list_has_no_say(recognizer, clips, phrases, biased):
    turned = make_phrases(
        [
            Phrase(entry.display, sounds_like="|".join(f"/{' '.join(one)}/" for one in entry.pronunciations))
            if entry.pronunciations
            else entry.display
            for entry in reversed(phrases.entries)
        ]
    )
    assert turned == phrases
    assert recognizer.transcribe(clips[1].audio, turned).text == biased[1].text


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_works_alone(recognizer, clips, phrases, switch):
    bias = replace(OFF, **{switch: True})
    result = recognizer.transcribe(clips[0].audio, phrases, bias=bias)
    assert result.text
    assert len(result.bias.phrases) == len(phrases)


def test_where_no_phrase_passes_the_gate_all_is_as_without_the_list(recognizer, clips, phrases, plain):
    closed = BiasOptions(gating=GateOptions(doubt=-1e9)).without("lookup")
    for clip, expected in zip(clips[:4], plain, strict=False):
        result = recognizer.transcribe(clip.audio, phrases, bias=closed)
        assert [word.text.lower() for word in result.words] == expected.text.split()
        assert [(word.start, word.end, word.confidence) for word in result.words] == [
            (word.start, word.end, word.confidence) for word in expected.words
        ]


def test_a_gate_that_is_wide_open_is_none(recognizer, clips, phrases):
    """Spotting aside, which then looks at what passed it in place of what it finds itself."""
    wide = BiasOptions(gating=GateOptions(doubt=1e9, words=1000)).without("spotting")
    for clip in clips[:4]:
        heard = [
            recognizer.transcribe(clip.audio, phrases, bias=bias) for bias in (wide, wide.without("gate"))
        ]
        assert heard[0].segments == heard[1].segments
        assert heard[0].bias.fired == heard[1].bias.fired


def test_what_is_said_once_is_heard_once_where_nothing_is_heard_without_the_list(recognizer, phrases):
    name = read_audio(SAMPLES / "my-sister-siobhan-is-857421736fc7.flac")[9_920:19_520]
    empty, fired = 0, 0
    for seed in range(8):
        hiss = 0.04 * np.random.default_rng(seed).normal(size=len(name))
        result = recognizer.transcribe(((0.4 * name + hiss).astype(np.float32), 16_000), phrases)
        empty += not result.bias.plain_text
        events = [event for phrase in result.bias.fired for event in phrase.events]
        fired += len(events)
        assert len(events) <= len(result.words) <= 3
        assert len({(event.start, event.end) for event in events}) == len(events)
    assert empty
    assert fired


def test_lists_may_change_between_two_calls(recognizer, clips, phrases, biased, plain):
    for clip, with_list, without in zip(clips[:3], biased, plain, strict=False):
        assert recognizer.transcribe(clip.audio).text == without.text
        assert recognizer.transcribe(clip.audio, phrases).text == with_list.text


def test_differences_are_what_the_list_changed(biased, plain):
    for result, without in zip(biased, plain, strict=True):
        rebuilt = without.text.split()
        for one in differences(result):
            assert one.before.lower() != one.after.lower()
            assert one.before in " ".join(rebuilt)
        assert bool(differences(result)) == (result.text.lower() != without.text.lower())
        assert format_differences(result).count("\n") == len(differences(result))
    with pytest.raises(ResultError, match="with phrases"):
        differences(plain[0])


def test_lists_are_joined(phrases):
    more = make_phrases(["Zbigniew", "siobhan", "☃"])
    both = joined([phrases, more])
    assert {"Zbigniew", "Siobhan"} <= {entry.display for entry in both}
    assert len(both) == len(phrases) + 1
    assert [one.text for one in both.unusable] == ["☃"]
    assert joined([]) == make_phrases([])


def test_options_that_cannot_be_used():
    for wrong in ({"variants": -1}, {"segmentations": 0}, {"n_best": 0}):
        with pytest.raises(BiasOptionsError, match=next(iter(wrong))):
            BiasOptions(**wrong)
    with pytest.raises(TypeError):
        BiasOptions().without("bosting")

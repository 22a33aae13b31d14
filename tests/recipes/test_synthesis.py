"""Laws of the synthesis recipe that hold without a model: text, phones, split, blends, plans, manifests."""

from __future__ import annotations

import json
import random
import string
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipes.synthesis import phones
from recipes.synthesis.__main__ import main
from recipes.synthesis.clips import Clip, Options, make_clips, plan_clips
from recipes.synthesis.errors import PhoneError, SplitError, TextError
from recipes.synthesis.kokoro import SAMPLE_RATE, Samples, finish
from recipes.synthesis.split import TEST_VOICES, allowed, choose_voices, is_test_entity, keep_sentences
from recipes.synthesis.text import (
    Phrase,
    Sentence,
    find_phrases,
    normalise,
    read_lexicon,
    read_phrases,
    read_sentences,
    sounds_from_lexicon,
)
from recipes.synthesis.voices import blended, draw_voice

VOICES = ("af_heart", "am_adam", "bf_emma", "bm_george", "zm_yunxi")
OPTIONS = Options(voices=VOICES, takes=2, seed=7)
SAMPLES = Path(__file__).parents[2] / "recipes" / "samples"


def sentences(count: int = 12) -> list[Sentence]:
    rng = random.Random(3)
    words = ["".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(count)]
    return [Sentence(f"We met {word.title()} at the gate.", (word.title(),), "person") for word in words]


# ---------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        ("Dr. O’Brien — naïve?", "doctor o'brien naive"),
        ("Leigh-on-Sea & Łódź", "leigh on sea and lodz"),
        ("'Quoted' words, James' hat", "quoted words james' hat"),
    ],
)
def test_normalise_writes_transcripts(printed: str, written: str) -> None:
    assert normalise(printed) == written
    assert normalise(written) == written


@pytest.mark.parametrize("bad", ["Room 12", "50% off", "Москва", "...", ""])
def test_normalise_reports_what_it_cannot_write(bad: str) -> None:
    with pytest.raises(TextError):
        normalise(bad)


def test_phrase_file_columns(tmp_path: Path) -> None:
    path = tmp_path / "phrases.txt"
    path.write_text(
        "# list\nSaoirse\t2.0\t/S IY R SH AH/|seer sha\tSAOIRSE\n\nXeljanz :2.0\n", encoding="utf-8"
    )
    assert read_phrases(path) == [Phrase("Saoirse", ("/S IY R SH AH/", "seer sha")), Phrase("Xeljanz")]


def test_find_phrases_takes_the_longer_and_only_whole_words() -> None:
    known = [Phrase("Cat"), Phrase("Cat Stevens"), Phrase("Ste")]
    found = find_phrases("A cat in a category: Cat Stevens.", known)
    assert [phrase.text for _, _, phrase in found] == ["Cat", "Cat Stevens"]


# -------------------------------------------------------------------------------------------- phones


def test_arpabet_with_and_without_stress() -> None:
    assert phones.from_arpabet(["S", "IY1", "R", "SH", "AH0"]) == "sˈiɹʃə"
    assert phones.from_arpabet(["S", "IY", "R", "SH", "AH"]) == "sˈiɹʃə"
    assert phones.from_arpabet(["R", "OW1", "N", "AH0", "N"], "en-gb") == "ɹˈQnən"


def test_arpabet_has_one_mark_for_each_stress_digit() -> None:
    rng = random.Random(0)
    for _ in range(200):
        word = [rng.choice([*phones.CONSONANTS, *(vowel + rng.choice("012") for vowel in phones.VOWELS)])
                for _ in range(8)]  # fmt: skip
        spoken = phones.from_arpabet(word)
        assert spoken.count("ˈ") == sum(phone.endswith("1") for phone in word)
        assert spoken.count("ˌ") == sum(phone.endswith("2") for phone in word)


@pytest.mark.parametrize("bad", [["QQ"], ["S1"], ["AH3"], ["s"]])
def test_arpabet_refuses_other_phones(bad: list[str]) -> None:
    with pytest.raises(PhoneError):
        phones.from_arpabet(bad)


def test_ipa_becomes_single_symbols() -> None:
    assert phones.from_ipa("d^ʒˈʌd^ʒ wˈo^ʊnt nˈɜːs") == "ʤˈʌʤ wˈOnt nˈɜɹs"
    assert phones.from_ipa("wˈə^ʊnt nˈɜːs", "en-gb") == "wˈQnt nˈɜːs"


def spelled(text: str, accent: str) -> str:
    """Stands for eSpeak: letters are phones, punctuation is lost."""
    return " ".join("".join(filter(str.isalpha, word)).lower() for word in text.split())


def test_sounds_like_reads_arpabet_ipa_and_words() -> None:
    assert phones.from_sounds("/S IY R SH AH/", "en-us", spelled) == "sˈiɹʃə"
    assert phones.from_sounds("/ˈeɪli/", "en-us", spelled) == "ˈAli"
    assert phones.from_sounds("seal", "en-us", spelled) == "seal"
    with pytest.raises(PhoneError):
        phones.from_sounds("/ /", "en-us", spelled)


def test_fixed_phones_replace_the_phrase_and_pauses_stay() -> None:
    text = "Tell Saoirse, if Eilidh asks"
    fixed = [(5, 12, "sˈiɹʃə"), (17, 23, "ˈAli")]
    assert phones.sentence_phones(text, fixed, "en-us", spelled) == "tell sˈiɹʃə, if ˈAli asks."


def test_a_lost_stand_in_falls_back_to_reading_around_it() -> None:
    def forgetful(text: str, accent: str) -> str:
        return (
            spelled(text, accent).replace("zubvazik", "zub vazik") if " " in text else spelled(text, accent)
        )

    fixed = [(5, 12, "sˈiɹʃə")]
    assert phones.sentence_phones("tell Saoirse twice", fixed, "en-us", forgetful) == "tell sˈiɹʃə twice."


def test_lexicon_pronounces_only_phrases_it_knows_whole(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.dict"
    path.write_text("mary M EH1 R IY0 # name\nmary(2) M EY1 R IY0\nstone S T OW1 N\n", encoding="utf-8")
    lexicon = read_lexicon(path)
    assert sounds_from_lexicon("Mary Stone", lexicon) == "/M EH1 R IY0 S T OW1 N/"
    assert sounds_from_lexicon("Mary Stony", lexicon) is None


# --------------------------------------------------------------------------------------------- split


def test_every_name_is_on_one_side() -> None:
    rng = random.Random(1)
    names = ["".join(rng.choices(string.ascii_letters, k=7)) for _ in range(2000)]
    for name in names:
        assert allowed(name, "train") != allowed(name, "test")
        assert is_test_entity(name) == is_test_entity(name.upper())
    assert 0.2 < sum(map(is_test_entity, names)) / len(names) < 0.3


def test_training_refuses_a_name_that_a_test_may_have_hashed_without_hyphens() -> None:
    name = "leigh-on-sea"
    assert not is_test_entity(name)
    assert is_test_entity("leigh on sea")
    assert not allowed(name, "train")


def test_sentences_with_names_of_the_other_side_are_counted() -> None:
    given = sentences(200)
    kept = keep_sentences(given, "train")
    assert kept.dropped == len(given) - len(kept.sentences) == len(kept.refused) > 0
    assert not any(is_test_entity(name) for sentence in kept.sentences for name in sentence.entities)
    assert keep_sentences(given, "any").sentences == given


def test_test_voices_are_refused_in_training() -> None:
    available = sorted({*VOICES, *TEST_VOICES})
    assert not TEST_VOICES & set(choose_voices("all", available, "train"))
    assert set(choose_voices("all", available, "test")) == TEST_VOICES
    assert "zm_yunxi" not in choose_voices("english", available, "train")
    for wanted, split in (("af_nova", "train"), ("af_heart", "test"), ("nobody", "any"), (",", "any")):
        with pytest.raises(SplitError):
            choose_voices(wanted, available, split)


# -------------------------------------------------------------------------------------------- voices


def test_blends_are_convex_and_depend_on_the_seed_alone() -> None:
    for seed in range(200):
        voice = draw_voice(VOICES, 1.0, random.Random(seed))
        assert voice == draw_voice(VOICES, 1.0, random.Random(seed))
        names = [name for name, _ in voice.parts]
        weights = [weight for _, weight in voice.parts]
        assert len(set(names)) == len(names) in (2, 3)
        assert min(weights) > 0
        assert sum(weights) == pytest.approx(1.0)
        assert weights == sorted(weights, reverse=True)
    assert len(draw_voice(VOICES, 0.0, random.Random(0)).parts) == 1


def test_blended_style_lies_between_its_parts() -> None:
    rng = np.random.default_rng(0)
    styles = {name: rng.normal(size=(20, 256)).astype(np.float32) for name in VOICES}
    voice = draw_voice(VOICES, 1.0, random.Random(5))
    style = blended(styles, voice, 11)
    rows = np.stack([styles[name][11] for name, _ in voice.parts])
    assert style.shape == (1, 256)
    assert np.all(style <= rows.max(axis=0) + 1e-5)
    assert np.all(style >= rows.min(axis=0) - 1e-5)


def test_finish_trims_and_levels() -> None:
    time = np.arange(24000) / 24000
    tone = (0.02 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    quiet = np.zeros(24000, dtype=np.float32)
    speech = finish(np.concatenate([quiet, tone, quiet]))
    assert speech.size / SAMPLE_RATE == pytest.approx(1.3, abs=0.01)
    assert np.abs(speech).max() <= 0.9
    assert np.sqrt(np.mean(speech**2)) == pytest.approx(0.07, rel=0.01)


# --------------------------------------------------------------------------------- plans and manifests


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    given = sentences()
    whole = {clip.name: clip for clip in plan_clips(given, [], OPTIONS)}
    assert len(whole) == 2 * len(given)
    alone = list(plan_clips(given[5:6], [], OPTIONS))
    assert all(whole[clip.name] == clip for clip in alone)
    other = plan_clips(given, [], replace(OPTIONS, seed=8))
    assert not whole.keys() & {clip.name for clip in other}


def test_repeated_sentences_are_further_takes() -> None:
    once = replace(OPTIONS, takes=1)
    twice = list(plan_clips(sentences(1) * 2, [], once))
    assert twice == list(plan_clips(sentences(1), [], OPTIONS))


class Stub:
    """Speaks noise; counts its clips; refuses a sentence with "zzz"."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    def __call__(self, clip: Clip) -> Samples:
        if "zzz" in clip.text:
            raise PhoneError("zzz: not a word; use another")
        self.spoken.append(clip.name)
        return np.random.default_rng(len(clip.text)).normal(0, 0.05, 8000).astype(np.float32)


@pytest.mark.parametrize("encoding", ["flac", "opus"])
def test_a_killed_run_resumes_and_ends_with_the_same_manifest(tmp_path: Path, encoding: str) -> None:
    clips = list(plan_clips(sentences(), [], replace(OPTIONS, encoding=encoding)))
    whole, resumed = Stub(), Stub()
    make_clips(clips, tmp_path / "whole", lambda: whole)
    make_clips(clips[:7], tmp_path / "killed", lambda: resumed)
    make_clips(clips, tmp_path / "killed", lambda: resumed)
    assert sorted(resumed.spoken) == sorted(whole.spoken) == sorted(clip.name for clip in clips)
    manifests = [(tmp_path / name / "manifest.jsonl").read_text() for name in ("whole", "killed")]
    assert manifests[0] == manifests[1]


def test_manifest_is_valid(tmp_path: Path) -> None:
    given = [*sentences(), Sentence("No zzz here."), Sentence("Nothing special.")]
    clips = list(plan_clips(given, [Phrase("special")], OPTIONS))
    records, failures = make_clips(clips, tmp_path, Stub)
    assert len(failures) == 2
    assert "zzz" in failures[0]
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert lines == records
    assert len(records) == len(clips) - 2
    check_manifest(tmp_path / "manifest.jsonl")
    assert records[-1]["entities"] == ["special"]


def check_manifest(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        info = soundfile.info(path.parent / item["audio_filepath"])
        assert info.samplerate == SAMPLE_RATE
        assert info.channels == 1
        assert item["duration"] == pytest.approx(info.duration, abs=1e-3)
        assert item["text"] == normalise(item["text"])
        assert item["source"] == "synthetic"
        assert item["synthetic"] is True
        assert item["speaker"].startswith("kokoro-")
        assert all(name in item["text"] for name in item.get("entities", []))


def test_the_shipped_samples_are_what_their_sentences_say() -> None:
    check_manifest(SAMPLES / "manifest.jsonl")
    texts = [json.loads(line)["text"] for line in (SAMPLES / "manifest.jsonl").read_text().splitlines()]
    given = read_sentences(SAMPLES / "sentences.tsv")
    assert texts == [normalise(sentence.text) for sentence in given]
    listed = {phrase.text for phrase in read_phrases(SAMPLES / "phrases.txt")}
    assert {name for sentence in given for name in sentence.entities} <= listed


def test_command_line_refuses_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = ["--phrases", str(tmp_path / "none.txt"), "--model", str(tmp_path), "--out", str(tmp_path)]
    assert main(missing) == 2
    assert caplog.messages
    assert "\n" not in caplog.messages[-1]
    with pytest.raises(SystemExit):
        main(["--model", str(tmp_path), "--out", str(tmp_path)])

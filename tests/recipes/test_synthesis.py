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

from recipes.synthesis import filter as agreement
from recipes.synthesis import phones
from recipes.synthesis.__main__ import main
from recipes.synthesis.clips import Clip, Options, make_clips, plan_clips
from recipes.synthesis.errors import PhoneError, SplitError, SynthesisError, TextError
from recipes.synthesis.kokoro import SAMPLE_RATE, Samples, finish
from recipes.synthesis.sentences import TEMPLATES, book_sentences, name_sentences, usable
from recipes.synthesis.split import TEST_VOICES, allowed, choose_voices, is_test_entity, keep_sentences
from recipes.synthesis.text import (
    Phrase,
    Sentence,
    find_phrases,
    normalise,
    read_lexicon,
    read_phrases,
    read_sentences,
    read_templates,
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


# ----------------------------------------------------------------------------------- sentences, filter


def test_carrier_sentences_use_every_name_before_any_comes_again() -> None:
    names = {"drug": [f"Drug{letter}" for letter in "abcde"], "place": ["Oslo", "Bergen"]}
    made = name_sentences(names, read_templates(TEMPLATES), 20, seed=0)
    drugs = [sentence.entities[0] for sentence in made if sentence.category == "drug"]
    assert set(drugs[:5]) == set(drugs[5:]) == set(names["drug"])
    assert len({sentence.text for sentence in made}) == 20
    assert all(sentence.entities[0] in sentence.text for sentence in made)
    assert made == name_sentences(names, read_templates(TEMPLATES), 20, seed=0)


def test_book_sentences_are_a_uniform_sample() -> None:
    lines = [f"one two three line{number}" for number in range(40)] + ["short", "long " * 30]
    counts = np.zeros(40)
    for seed in range(400):
        sample = book_sentences(iter(lines), 10, (3, 10), seed)
        assert len({sentence.text for sentence in sample}) == 10
        for sentence in sample:
            counts[int(sentence.text.rsplit("line", maxsplit=1)[1])] += 1
    # 100 expected each; the standard deviation is sqrt(400 * 0.25 * 0.75) = 8.7.
    assert np.abs(counts - 100).max() < 5 * 8.7


def test_usable_names_are_read_as_spelled() -> None:
    assert usable("Bergen", "any")
    assert usable("Hammersmith and Fulham", "any")
    for name in ("3M Company", "AIDS phobia", "A.O. Fox Memorial Hospital", "Q4", "the Fed", "a b c d e f g"):
        assert not usable(name, "any")
    assert not usable("Saoirse", "train")


def test_edits_without_gaps_are_levenshtein_and_a_gap_is_the_best_stretch() -> None:
    def plain(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        return min(plain(a[1:], b[1:]) + (a[0] != b[0]), plain(a[1:], b) + 1, plain(a, b[1:]) + 1)

    rng = random.Random(2)
    for _ in range(60):
        left, right, heard = ("".join(rng.choices("ab", k=rng.randrange(4))) for _ in range(3))
        heard += left[:2] + right[:2]
        assert agreement.edits(left + right, heard) == plain(left + right, heard)
        stretches = [(i, j) for i in range(len(heard) + 1) for j in range(i, len(heard) + 1)]
        best = min(plain(left, heard[:i]) + plain(right, heard[j:]) for i, j in stretches)
        assert agreement.edits(left + agreement.GAP + right, heard) == best


def test_filter_keeps_what_agrees(tmp_path: Path) -> None:
    def line(name: str) -> dict[str, object]:
        return {
            "audio_filepath": f"{name}.flac",
            "text": "we met tadeusz at the gate",
            "entities": ["tadeusz"],
        }

    manifest, heard, out = (tmp_path / name for name in ("manifest.jsonl", "heard.tsv", "kept.jsonl"))
    manifest.write_text("".join(json.dumps(line(name)) + "\n" for name in "abc"), encoding="utf-8")
    heard.write_text("a\tWe met Today Osh, at the gate.\nb\tnothing like it\nc\t\n", encoding="utf-8")
    common = [str(manifest), "--hypotheses", str(heard), "--out", str(out)]
    assert agreement.main([*common, "--max-cer", "0.1"]) == 0
    assert [json.loads(item)["audio_filepath"] for item in out.read_text().splitlines()] == ["a.flac"]
    assert agreement.main([*common, "--max-cer", "0.1", "--with-names"]) == 0
    assert out.read_text() == ""
    heard.write_text("a\tnothing\n", encoding="utf-8")
    assert agreement.main(common) == 2


def test_filter_runs_a_recognizer_and_checks_its_lines() -> None:
    files = [Path("one.flac"), Path("two.flac")]
    echo = f"{sys.executable} -c 'import sys; print(*sys.argv[1:], sep=chr(10))'"
    assert agreement.run_recognizer(echo, files) == {"one": "one.flac", "two": "two.flac"}
    with pytest.raises(SynthesisError, match="printed 0 lines"):
        agreement.run_recognizer(f"{sys.executable} -c 'pass'", files)
    with pytest.raises(SynthesisError, match="status 3"):
        agreement.run_recognizer(f"{sys.executable} -c 'raise SystemExit(3)'", files)

"""Recognizers beside each other: one spelling for all, honest tables, a line for what is not installed."""

import argparse
import json
import lzma
import sys

import numpy as np
import pytest
import soundfile

from recipes.bench import peers, recognizers
from recipes.bench.peers import makers, measured, part_of, spelled
from recipes.bench.recognizers import PeerError, System, all_systems
from recipes.entities.ablation import Bench
from recipes.kept import Kept
from recipes.regions import rewrite

TEXTS = {"0": "the quick sorrel ran", "1": "we met tadeusz there", "2": "they saw ithaca", "3": "all is well"}
POOL = [f"{one}{other}xq" for one in "abcdefghijkl" for other in "mnopqrstuvwz"]


@pytest.fixture
def data(tmp_path):
    """Four utterances, common words and a pool of rare ones."""
    (tmp_path / "speech").mkdir()
    (tmp_path / "biasing").mkdir()
    rows = []
    for name, text in TEXTS.items():
        soundfile.write(tmp_path / "speech" / f"{name}.wav", np.zeros(8000), 16_000)
        rows.append({"id": name, "audio_filepath": f"{name}.wav", "duration": 0.5, "text": text})
    (tmp_path / "speech" / "some.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = {word for text in TEXTS.values() for word in text.split()} - {"sorrel", "tadeusz", "ithaca"}
    (tmp_path / "biasing" / "common_words_5k.txt").write_text("\n".join(sorted(common)))
    (tmp_path / "biasing" / "all_rare_words.txt.xz").write_bytes(lzma.compress("\n".join(POOL).encode()))
    return tmp_path


def bench(data):
    return Bench(data, "base-en", data / "cache")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("mister quilter paid twenty pounds", "Mr. Quilter paid 20 pounds."),
        ("tiny treasure houses oh", "Tiny treasure-houses — oh!"),
        ("", " [BLANK_AUDIO] (music)"),
        ("it's o'clock", "It’s o'clock"),
        ("cafe b12 日本", "Café B12 日本"),
    ],
)
def test_one_spelling_for_all(said, heard):
    assert spelled(heard) == said
    assert spelled(spelled(heard)) == spelled(heard)


def test_every_other_utterance_with_its_list(data):
    part = part_of(bench(data), "some/2")
    assert part.ids == ("0", "2")
    assert part.seconds == 1.0
    assert "ithaca" in part.condition.lists["2"].phrases
    assert len(part.condition.given["2"]) == 101
    assert part_of(bench(data), "some").ids == tuple(TEXTS)


@pytest.mark.parametrize("wanted", ["some/0", "some/half"])
def test_shares_that_are_none(data, wanted):
    with pytest.raises(PeerError, match="give SET, or SET/8"):
        part_of(bench(data), wanted)


def system(name, hear, listed=""):
    return System(name, "1", listed, lambda: hear)


def test_systems_are_scored_alike_and_only_when_they_heard_all(data, monkeypatch):
    part, kept = part_of(bench(data), "some"), Kept(data / "kept.jsonl")
    texts = iter([TEXTS["0"], *TEXTS.values()])
    perfect = system("perfect", lambda *_: next(texts).upper() + ".")
    deaf = system("deaf", lambda _, phrases: "" if len(phrases) else "x", "prompt")
    late = system("late", lambda *_: "never asked")
    peers.hear(part, [perfect, deaf], kept)
    peers.hear(part, [perfect, deaf], kept)
    found = measured(part, [perfect, deaf, late], kept, "command")
    rows = {row["system"]: row for row in found["rows"]}
    assert set(rows) == {"perfect", "deaf"}
    assert [rows["perfect"][one]["value"] for one in ("wer", "b_wer", "f1")] == [0, 0, 1]
    assert [rows["deaf"][one]["value"] for one in ("wer", "b_wer", "f1")] == [1, 1, 0]


def test_a_table_says_of_what_it_is(tmp_path):
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    row = {"system": "one", "list": "prompt", "speed": 12.34, "wer": number, "b_wer": number}
    rows = [{**row, "f1": {"value": None, "low": None, "high": None}}]
    found = {"every": 4, "utterances": 9, "minutes": 1.25, "list": "100", "rows": rows}
    (tmp_path / "peers-some.json").write_text(json.dumps(found))
    page = tmp_path / "page.md"
    page.write_text("<!-- peers: some -->\nold\n<!-- end -->\n")
    assert rewrite(page, makers(tmp_path)) == 1
    assert "9 utterances, one of 4, 1.2 minutes" in page.read_text()
    assert "| one | prompt | 50.0 (40.0 to 60.0) | 50.0 (40.0 to 60.0) | - | 12.3 |" in page.read_text()


def test_the_tables_of_the_page_are_those_of_what_is_kept(tmp_path):
    text = peers.PAGES[0].read_text(encoding="utf-8")
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert rewrite(tmp_path / "page.md", makers(peers.RESULTS)) > 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == text


def test_what_is_missing_is_told_in_a_line(tmp_path, monkeypatch):
    for module in ("moonshine_onnx", "onnx_asr", "pywhispercpp.model", "vosk", "pocketsphinx"):
        monkeypatch.setitem(sys.modules, module, None)
    recognizers._whisper_cpp_model.cache_clear()
    theirs = all_systems([], tmp_path)
    for one in theirs:
        if not one.name.startswith("PocketSphinx"):
            with pytest.raises(PeerError, match=r"missing; .* says how models are fetched"):
                one.load()
    for place in (recognizers.MOONSHINE, recognizers.WHISPER, recognizers.WHISPER_CPP, recognizers.VOSK):
        (tmp_path / place).mkdir(parents=True)
    for one in theirs:
        with pytest.raises(PeerError, match=r"is not installed .*pip install") as error:
            one.load()
        assert "\n" not in str(error.value)


def test_a_name_that_nobody_has(tmp_path):
    given = argparse.Namespace(models=[], peers=tmp_path, kept=tmp_path / "kept", only=["siri"])
    with pytest.raises(PeerError, match="siri: no such name; there are Moonshine tiny"):
        peers.run(given)

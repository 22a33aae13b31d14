"""Laws of the speech made by small classic synthesisers: the plan, how a voice is bent, what is missing."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipes.synthesis.classic import SHARES, ClassicSpeaker, main, plan
from recipes.synthesis.kokoro import SAMPLE_RATE, finish
from recipes.synthesis.text import Sentence

WORDS = ("river", "stone", "garden", "winter", "letter", "morning", "captain", "silver", "window", "people")
SENTENCES = [Sentence(f"the {a} and a {b} near {c}", (c,)) for a in WORDS for b in WORDS for c in WORDS]


def test_a_clip_depends_on_the_seed_and_its_own_sentence() -> None:
    clips = list(plan(SENTENCES, 3, "flac"))
    assert clips[7:20] == list(plan(SENTENCES[7:20], 3, "flac"))
    assert [clip.voice for clip in clips] != [clip.voice for clip in plan(SENTENCES, 4, "flac")]
    assert len({clip.name for clip in clips}) == len(clips)


def test_voices_speak_their_shares() -> None:
    spoken = Counter(clip.voice.engine_voice for clip in plan(SENTENCES, 0, "flac"))
    assert sum(SHARES.values()) == pytest.approx(1.0)
    for voice, share in SHARES.items():
        deviation = (len(SENTENCES) * share * (1 - share)) ** 0.5
        assert abs(spoken[voice] - len(SENTENCES) * share) < 5 * deviation


@pytest.mark.parametrize("size", [0.84, 1.0, 1.12])
def test_size_moves_all_frequencies(size: float) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in (500.0, 1500.0))
    bent = finish(np.asarray(tones, np.float32), SAMPLE_RATE * size)
    spectrum = np.abs(np.fft.rfft(bent * np.hanning(len(bent))))
    strongest = np.sort(np.argsort(spectrum)[-8:] * SAMPLE_RATE / len(bent))
    assert abs(strongest[0] - 500 * size) < 5
    assert abs(strongest[-1] - 1500 * size) < 5
    assert len(bent) == pytest.approx(SAMPLE_RATE / size, rel=0.01)


def test_a_missing_synthesiser_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sentences.tsv").write_text("good morning\n", encoding="utf-8")
    call = ["--text", str(tmp_path / "sentences.tsv"), "--out", str(tmp_path / "out"), "--workers", "1"]
    monkeypatch.setitem(sys.modules, "py_nanotts", None)
    assert main(call) == 2
    assert "pip install py-nanotts" in caplog.text
    assert not list(tmp_path.glob("out/*"))


def test_names_kept_for_tests_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`Saoirse` belongs to the test side, `Bergen` to that of training."""
    file, out = tmp_path / "sentences.tsv", tmp_path / "out"
    file.write_text("we met saoirse\tSaoirse\nwe saw bergen\tBergen\n", encoding="utf-8")
    silent_engine = np.full(SAMPLE_RATE, 0.1, np.float32)
    monkeypatch.setattr(ClassicSpeaker, "__call__", lambda _self: lambda _clip: silent_engine)
    assert main(["--text", str(file), "--out", str(out), "--workers", "1"]) == 0
    [record] = [
        json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert record["text"] == "we saw bergen"
    assert record["synthetic"] is True
    assert "1 sentences" in caplog.text


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs the program flite")
def test_every_voice_speaks() -> None:
    pytest.importorskip("py_nanotts", reason="needs py-nanotts")
    speak = ClassicSpeaker()()
    first = {clip.voice.engine_voice: clip for clip in plan(SENTENCES[:300], 0, "flac")}
    assert set(first) == set(SHARES)
    for clip in first.values():
        samples = speak(clip)
        assert len(samples) > SAMPLE_RATE / 2
        assert 0.01 < np.abs(samples).max() <= 1.0

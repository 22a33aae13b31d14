"""Laws of the sentence generator and of the filter that drops bad clips."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipes.synthesis import filter as agreement
from recipes.synthesis.errors import SynthesisError
from recipes.synthesis.sentences import TEMPLATES, book_sentences, name_sentences, usable
from recipes.synthesis.text import read_templates


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

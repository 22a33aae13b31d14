"""Error rates: equal to a brute force count, and every usual file of transcripts gives the same score."""

import json
import random
import sys

import numpy as np
import pytest

from asr.result import Result, Segment, Word
from asr.scoring import (
    ErrorCounts,
    ScoreError,
    bootstrap_interval,
    format_alignment,
    format_summary,
    load_lists,
    load_phrases,
    normalize,
    score,
    score_files,
    score_phrase_files,
)
from asr.transcripts import TranscriptError, load_transcripts
from asr.writers import WRITERS
from biasing import views


def edit_distance(ref, hyp) -> int:
    row = list(range(len(hyp) + 1))
    for i, left in enumerate(ref, start=1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(hyp, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def random_texts(seed: int, count: int = 20) -> tuple[list[str], list[str]]:
    """Return references and hypotheses that differ by random edits; some of either are empty."""
    rng = random.Random(seed)
    vocabulary = ["a", "the", "priya", "don't", "sharma", "tree", "three", "wilmington"]
    refs, hyps = [], []
    for _ in range(count):
        ref = rng.choices(vocabulary, k=rng.randint(0, 12))
        hyp = [word for word in ref if rng.random() > 0.15]
        hyp = [rng.choice(vocabulary) if rng.random() < 0.15 else word for word in hyp]
        hyp += rng.choices(vocabulary, k=rng.choice([0, 0, 0, 1, 3]))
        refs.append(" ".join(ref))
        hyps.append(" ".join(hyp))
    return refs, hyps


@pytest.mark.parametrize("seed", range(8))
def test_counts_are_the_edit_distance(seed):
    refs, hyps = random_texts(seed)
    scored = score(refs, hyps)
    for one, ref, hyp in zip(scored.utterances, refs, hyps, strict=True):
        assert one.words.errors == edit_distance(ref.split(), hyp.split())
        assert one.characters.errors == edit_distance(ref, hyp)
        assert (one.words.reference, one.characters.reference) == (len(ref.split()), len(ref))
        assert one.words.hits + one.words.substitutions + one.words.insertions == len(hyp.split())
    total = sum(edit_distance(ref.split(), hyp.split()) for ref, hyp in zip(refs, hyps, strict=True))
    assert scored.wer == total / sum(len(ref.split()) for ref in refs)
    assert scored.cer == sum(one.characters.errors for one in scored.utterances) / len("".join(refs))


@pytest.mark.parametrize("seed", range(4))
def test_the_alignment_is_made_of_both_texts_and_of_the_errors(seed):
    refs, hyps = random_texts(seed)
    scored = score(refs, hyps)
    for one, ref, hyp in zip(scored.utterances, refs, hyps, strict=True):
        assert [left for left, _ in one.pairs if left] == ref.split()
        assert [right for _, right in one.pairs if right] == hyp.split()
        assert sum(left != right for left, right in one.pairs) == one.words.errors
    blocks = format_alignment(scored).split("\n\n")
    for one, block, ref, hyp in zip(scored.utterances, blocks, refs, hyps, strict=True):
        name, ref_row, hyp_row, *marks = block.rstrip("\n").split("\n")
        assert name == one.id
        assert [cell for cell in ref_row.split()[1:] if cell.strip("*")] == ref.split()
        assert [cell for cell in hyp_row.split()[1:] if cell.strip("*")] == hyp.split()
        assert len("".join(marks).split()) == one.words.errors
    wrong = [one.id for one in scored.utterances if one.words.errors]
    assert [block.split("\n")[0] for block in format_alignment(scored, True).split("\n\n")] == wrong


def test_the_alignment_stands_in_columns():
    assert format_alignment(score(["call priya now"], ["call pre a now"])) == (
        "line 1\nREF: call *** priya now\nHYP: call pre a     now\n          I   S\n"
    )


def test_order_and_repetition_change_nothing_but_the_interval():
    refs, hyps = random_texts(1, 60)
    scored = score(refs, hyps)
    reversed_ = score(refs[::-1], hyps[::-1])
    tripled = score(refs * 3, hyps * 3)
    assert scored.words == reversed_.words
    assert tripled.wer == scored.wer
    assert tripled.characters == ErrorCounts(*(3 * n for n in vars(scored.characters).values()))
    width = scored.wer_interval[1] - scored.wer_interval[0]
    assert tripled.wer_interval[1] - tripled.wer_interval[0] == pytest.approx(width / 3**0.5, rel=0.2)


def test_the_interval_is_repeatable_and_holds_the_rate():
    refs, hyps = random_texts(2, 40)
    first, again, other = score(refs, hyps, seed=1), score(refs, hyps, seed=1), score(refs, hyps, seed=2)
    assert first.wer_interval == again.wer_interval != other.wer_interval
    for low, rate, high in [
        (first.wer_interval[0], first.wer, first.wer_interval[1]),
        (first.cer_interval[0], first.cer, first.cer_interval[1]),
    ]:
        assert low < rate < high


def test_the_interval_is_that_of_a_binomial_where_every_utterance_is_one_word():
    rng = np.random.default_rng(0)
    wrong = rng.random(2000) < 0.2
    low, high = bootstrap_interval([ErrorCounts(int(not bad), int(bad), 0, 0) for bad in wrong])
    half = 1.96 * np.sqrt(wrong.mean() * (1 - wrong.mean()) / 2000)
    assert (low, high) == pytest.approx((wrong.mean() - half, wrong.mean() + half), abs=0.003)


def test_a_perfect_and_a_silent_recognizer():
    perfect, silent = score(["a b", "c"], ["A  b.", "c"]), score(["a b", "c"], ["", ""])
    assert (perfect.wer, perfect.cer, perfect.wer_interval) == (0, 0, (0, 0))
    assert (silent.wer, silent.cer, silent.wer_interval) == (1, 1, (1, 1))
    assert silent.words == ErrorCounts(0, 0, 3, 0)
    assert format_summary(silent).splitlines()[0] == (
        "WER 100.00% (95 % interval 100.00% to 100.00%): "
        "3 errors in 3 words, 0 substituted, 3 deleted, 0 inserted"
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Don’t  STOP, Renée!", "don't stop renee"),
        ("Jean-Luc O'Brien", "jean luc o'brien"),
        ("' '' 'tis", "'tis"),
        ("route 66 straße", "route 66 strasse"),
        ("\u2028a\tb\u00a0c_d", "a b c d"),
        ("…", ""),
    ],
)
def test_normalising(text, plain):
    assert normalize(text) == plain


def test_normalising_twice_is_normalising_once_for_every_character():
    for code in range(0, sys.maxunicode, 7):
        once = normalize(f"a{chr(code)}b")
        assert normalize(once) == once
        assert once.startswith("a")
        assert once.endswith("b")


TEXTS = {"utt-1": "hello priya", "utt-2": "", "utt-3": "van der waals (forces)"}


def write_jsonl(folder):
    lines = [
        json.dumps({"audio_filepath": f"clips/{name}.wav", "text": text}) for name, text in TEXTS.items()
    ]
    return {"set.jsonl": "\n".join(lines) + "\n\n"}


def write_jsonl_ids(folder):
    return {"ids.jsonl": "\n".join(json.dumps({"id": name, "text": text}) for name, text in TEXTS.items())}


def write_results(folder):
    files = {}
    for index, (name, text) in enumerate(TEXTS.items()):
        words = tuple(Word(word, 0.0, 1.0, 1.0) for word in text.split())
        result = Result((Segment(text, 0.0, 1.0, words),), 1.0, audio=f"clips/{name}.wav")
        files[f"{folder}/{index}.json"] = WRITERS["json"](result)
    return files


FORMS = {
    "kaldi": lambda _: {"hyp.txt": "".join(f"{name} {text}\n" for name, text in TEXTS.items())},
    "kaldi, tabs and line ends": lambda _: {
        "hyp": "\ufeff" + "".join(f"{name}\t{text}\r\n" for name, text in TEXTS.items())
    },
    "trn": lambda _: {"hyp.trn": "".join(f"{text} ({name})\n" for name, text in TEXTS.items())},
    "manifest": write_jsonl,
    "manifest with ids": write_jsonl_ids,
    "folder of results": write_results,
    "folder of texts": lambda folder: {f"{folder}/{name}.txt": text + "\n" for name, text in TEXTS.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_transcripts_and_score(tmp_path, form):
    files = FORMS[form]("folder")
    (tmp_path / "folder").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode())
    path = tmp_path / "folder" if "folder" in form else tmp_path / next(iter(files))
    assert load_transcripts(path) == TEXTS
    reference = tmp_path / "ref.jsonl"
    reference.write_text(write_jsonl("")["set.jsonl"])
    assert score_files(reference, path).words == ErrorCounts(6, 0, 0, 0)


def test_a_line_an_utterance_keeps_empty_lines(tmp_path):
    path = tmp_path / "hyp.txt"
    path.write_text("the first\n\n20 men came\n")
    assert load_transcripts(path) == {"line 1": "the first", "line 2": "", "line 3": "20 men came"}
    path.write_text("mp3 is old\nmp3 is new\n")
    assert load_transcripts(path) == {"line 1": "mp3 is old", "line 2": "mp3 is new"}
    (tmp_path / "text").write_text("ann hello\nbob\n")
    assert load_transcripts(tmp_path / "text") == {"ann": "hello", "bob": ""}


def test_one_result_is_named_after_its_recording_or_its_file(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(WRITERS["json"](Result((), 1.0, audio="x/a.wav")))
    assert load_transcripts(path) == {"a": ""}
    path.write_text(WRITERS["json"](Result((), 1.0)))
    assert load_transcripts(path) == {"talk": ""}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", "{nonsense", r"line 1: not JSON"),
        ("a.jsonl", "\n[1]", r"line 2: a JSON object"),
        ("a.jsonl", '{"id": 1}', r"line 1: 'text' must be a string"),
        ("a.jsonl", '{"text": "a"}', r"line 1: 'audio_filepath' must be a string"),
        ("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}', "two utterances are called '1'"),
        ("a.json", "{}", "'text' must be a string"),
        ("a.trn", "hello\n", r"line 1: does not end in '\(id\)'"),
        ("a.txt", "", "holds no transcripts"),
        ("a.txt", b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TranscriptError, match=words) as caught:
        load_transcripts(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_files_and_empty_folders_are_named(tmp_path):
    with pytest.raises(TranscriptError, match=r"absent\.txt: cannot be read \(No such file"):
        load_transcripts(tmp_path / "absent.txt")
    with pytest.raises(TranscriptError, match="holds no transcripts"):
        load_transcripts(tmp_path)


def test_different_utterances_are_not_compared(tmp_path):
    with pytest.raises(ScoreError, match=r"1 \('line 3'\) only in the references, 0 only in the hyp"):
        score(["a", "b", "c"], ["a", "b"])
    ref, hyp = tmp_path / "ref.txt", tmp_path / "hyp.txt"
    ref.write_text("".join(f"utt{n} a\n" for n in range(9)))
    hyp.write_text("utt1 a\nx5 b\n")
    with pytest.raises(
        ScoreError, match=r"ref\.txt and .*hyp\.txt: .* 8 \('utt0', .*, \.\.\.\) .* 1 \('x5'\)"
    ):
        score_files(ref, hyp)
    with pytest.raises(ScoreError, match="no words"):
        score(["...", ""], ["a", "b"])


def write_phrase_set(folder):
    """Write references, hypotheses, a phrase file and biasing lists that say the same."""
    (folder / "ref.trn").write_text("Call Zo\u00eb O\u2019Neil! (u1)\nthe office (u2)\n", encoding="utf-8")
    (folder / "hyp.trn").write_text("call zoe o'neil (u1)\nthe zoe brahms (u2)\n")
    (folder / "phrases.txt").write_text(
        "# names\nZo\u00eb O'Neil\t3\nBrahms\nGda\u0144sk\n\u4e2d\n", encoding="utf-8"
    )
    rows = [("u1", ["ZOË O'NEIL"], ["ZOË O'NEIL", "Brahms"]), ("u2", [], ["Brahms", "Gdańsk", "…"])]
    lines = ["\t".join([name, "", json.dumps(spoken), json.dumps(known)]) for name, spoken, known in rows]
    (folder / "lists.tsv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "known.txt").write_text("Call 9\nthe 8\noffice 7\n")
    return folder / "ref.trn", folder / "hyp.trn"


def test_phrases_are_scored_after_normalising_everything(tmp_path, caplog):
    ref, hyp = write_phrase_set(tmp_path)
    known = load_phrases(tmp_path / "phrases.txt")
    assert sorted(known) == ["brahms", "gdansk", "zoe o'neil"]
    assert "1 phrases cannot be used" in caplog.text
    lists = load_lists(tmp_path / "lists.tsv")
    assert lists["u2"].phrases == ("brahms", "gdansk")
    shared = score_phrase_files(ref, hyp, known, tmp_path / "known.txt")
    by_utterance = score_phrase_files(ref, hyp, lists, tmp_path / "known.txt")
    assert shared == by_utterance
    assert (shared.totals.hits, shared.totals.misses, shared.totals.false_accepts) == (1, 0, 1)
    assert shared.errors("unknown") == ErrorCounts(2, 0, 0, 1)
    assert shared.never_spoken == ("brahms", "gdansk")


def test_the_score_of_phrases_begins_with_that_of_the_texts(tmp_path):
    ref, hyp = write_phrase_set(tmp_path)
    summary = views.format_summary(score_phrase_files(ref, hyp, ["zoe"]))
    assert summary.startswith(format_summary(score_files(ref, hyp)))


def test_files_without_phrases_or_without_lists_are_named(tmp_path):
    ref, hyp = write_phrase_set(tmp_path)
    (tmp_path / "phrases.txt").write_text("# none\n")
    with pytest.raises(ScoreError, match=r"phrases\.txt: holds no phrase that can be used"):
        load_phrases(tmp_path / "phrases.txt")
    lists = load_lists(tmp_path / "lists.tsv")
    del lists["u2"]
    with pytest.raises(ScoreError, match=r"ref\.trn and .*hyp\.trn: 1 \('u2'\) utterances have no biasing"):
        score_phrase_files(ref, hyp, lists)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match=r"empty: holds no words; give a word a line"):
        score_phrase_files(ref, hyp, ["zoe"], tmp_path / "empty")

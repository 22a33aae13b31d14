"""Evaluating: numbers are those of the files written, nothing is done twice, no mistake stops the rest."""

import json
import math

import pytest
from made_up import COMMON, DISTRACTORS, TEXTS, run, spoken, toys_for, write_manifest

from asr.evaluation.engine import Hypothesis
from asr.evaluation.material import (
    MaterialError,
    Pool,
    drawn_lists,
    given_lists,
    read_utterances,
    shared_list,
)
from asr.evaluation.measures import calibration_error, fates, reliability
from asr.evaluation.run import write_report
from asr.evaluation.techniques import NONE, Technique, TechniqueError, make_techniques
from asr.recognizer import Recognizer
from asr.scoring import load_lists, normalize, score_phrase_files
from biasing.intervals import upper_limit
from biasing.metrics import evaluate

POOL = Pool(frozenset(COMMON), tuple(DISTRACTORS))


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


@pytest.fixture
def manifest(tmp_path):
    return write_manifest(tmp_path)


def drawn(manifest, sizes=(0, 3, 6)):
    return drawn_lists(read_utterances(manifest), sizes, POOL)


def test_without_a_technique_the_texts_are_those_of_transcribe(manifest, recognizer, model_folder, tmp_path):
    material = drawn(manifest, (0, 3))
    found = run(recognizer, material, make_techniques(recognizer, []), model_folder, tmp_path / "cache")
    for condition in ("0", "3"):
        for name, one in found.recognized.of(NONE, condition).items():
            result = recognizer.transcribe(material.utterances[name].audio)
            assert one.text == normalize(result.text)
            assert one.words
            assert [c for _, c in one.words] == pytest.approx([w.confidence for w in result.words], abs=1e-4)


def test_toys_get_the_numbers_they_deserve(manifest, recognizer, model_folder, tmp_path):
    material = drawn(manifest)
    toys = toys_for(material, recognizer, model_folder, tmp_path / "cache").all()
    found = run(recognizer, material, toys, model_folder, tmp_path / "cache")
    for size in ("3", "6"):
        perfect, plain = found.row("perfect", size), found.row(NONE, size)
        assert (perfect.numbers["f1"].value, perfect.numbers["wer"].value) == (1, 0)
        assert plain.numbers["recall"].value == 0
        assert plain.fates.deleted == plain.score.totals.spoken == 6
        assert perfect.versus_none["b_wer"].difference.value == -1
        assert found.row("parrot", size).numbers["precision"].value < 1
    assert found.row("perfect", "0").numbers["f1"].value == 0
    minutes = sum(one.duration for one in material.utterances.values()) / 60
    for one in found.absent:
        assert one.utterances == len(TEXTS)
        changed = 1.0 if one.technique == "parrot" else 0.0
        assert one.changed.value == changed
        assert one.false_accepts.value == pytest.approx(changed * len(TEXTS) / minutes)
        if not changed:
            assert one.false_accepts.high == pytest.approx(upper_limit(0) / minutes)
            assert one.changed.high == (0 if one.technique == NONE else pytest.approx(1 - 0.05 ** (1 / 4)))


def test_the_numbers_are_those_of_onoma_score_on_the_written_files(
    manifest, recognizer, model_folder, tmp_path
):
    material = drawn(manifest)
    toys = toys_for(material, recognizer, model_folder, tmp_path / "cache").all()
    found = run(recognizer, material, toys, model_folder, tmp_path / "cache")
    write_report(found, {}, tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert len(rows) == 9
    for row in rows:
        lists = load_lists(tmp_path / "out" / "lists" / f"{row['condition']}.tsv")
        hyp = tmp_path / "out" / "hypotheses" / f"{row['technique']}.{row['condition']}.jsonl"
        score = score_phrase_files(tmp_path / "out" / "said.jsonl", hyp, lists)
        for name, one in row["numbers"].items():
            value = score.value(name)
            assert one["value"] == (None if math.isnan(value) else pytest.approx(value, abs=1e-6))


def test_nothing_is_done_twice(manifest, recognizer, model_folder, tmp_path, monkeypatch):
    material, cache = drawn(manifest), tmp_path / "cache"
    toys = toys_for(material, recognizer, model_folder, cache)
    first = run(recognizer, material, toys.all(), model_folder, cache)
    done = toys.calls
    assert done > 0
    monkeypatch.setattr(Recognizer, "acoustics", None)
    again = run(recognizer, material, toys.all(), model_folder, cache)
    assert toys.calls == done
    assert again.recognized == first.recognized
    longer = run(recognizer, drawn(manifest, (0, 3, 6, 7)), toys.all(), model_folder, cache)
    assert toys.calls == done + 3 * (2 * len(TEXTS) - 1)
    assert longer.row("perfect", "3").numbers == first.row("perfect", "3").numbers


def test_a_killed_run_goes_on_where_it_was(manifest, recognizer, model_folder, tmp_path):
    material, cache = drawn(manifest, (3,)), tmp_path / "cache"
    toys = toys_for(material, recognizer, model_folder, cache)
    calls = []

    def dies(acoustics, phrases):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return spoken("call")

    with pytest.raises(KeyboardInterrupt):
        run(recognizer, material, [Technique(NONE, "s", dies)], model_folder, cache)
    [file] = (cache / "texts").iterdir()
    with file.open("a") as stream:
        stream.write('{"key": "half a li')
    whole = run(recognizer, material, [Technique(NONE, "s", dies)], model_folder, cache)
    searches = 2 * len(TEXTS) - 1  # in "four" nothing is rare: its list is that without what is spoken
    assert len(calls) == 1 + searches
    assert {one.text for one in whole.recognized.of(NONE, "3").values()} == {"call"}
    run(recognizer, material, [Technique(NONE, "s", dies)], model_folder, cache)
    assert len(calls) == 1 + searches
    run(recognizer, material, [Technique(NONE, "other settings", dies)], model_folder, cache)
    assert len(calls) == 1 + 2 * searches
    assert toys.calls == 0


def test_damaged_log_probs_are_computed_again(manifest, recognizer, model_folder, tmp_path):
    material, cache = drawn(manifest, (0,)), tmp_path / "cache"
    techniques = make_techniques(recognizer, [])
    first = run(recognizer, material, techniques, model_folder, cache)
    for file in (cache / "acoustics").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    for file in (cache / "texts").iterdir():
        file.unlink()
    again = run(recognizer, material, techniques, model_folder, cache)
    assert {k: v.text for k, v in again.recognized.of(NONE, "0").items()} == {
        k: v.text for k, v in first.recognized.of(NONE, "0").items()
    }


def test_a_recording_that_cannot_be_read_is_left_out(manifest, recognizer, model_folder, tmp_path):
    (tmp_path / "clips" / "two.wav").write_bytes(b"no sound at all")
    material = drawn(manifest, (0, 3))
    found = run(recognizer, material, make_techniques(recognizer, []), model_folder, tmp_path / "cache")
    [line] = found.material.left_out
    assert line.startswith(f"{manifest}, line 2: ")
    assert "two.wav" in line
    assert set(found.recognized.of(NONE, "3")) == set(TEXTS) - {"two"}
    assert found.absent[0].utterances == len(TEXTS) - 1


def test_when_no_recording_can_be_read_the_evaluation_is_refused(manifest):
    material = drawn(manifest)
    with pytest.raises(MaterialError, match="no utterance is left: broken"):
        material.without(dict.fromkeys(TEXTS, "broken"))
    assert set(material.without({"one": "broken"}).absent) == {"3", "6"}


def test_lists_leave_out_what_is_spoken_where_mistakes_are_counted(manifest):
    material = drawn(manifest)
    for size, absent in material.absent.items():
        for name, one in absent.lists.items():
            assert len(one.phrases) == int(size)
            assert not set(one.phrases) & set(material.texts[name].split())
            assert set(one.phrases) < set(material.conditions[-1].lists[name].phrases) | {"zoe"}
    assert [len(one) for one in material.conditions[0].given.values()] == [0] * len(TEXTS)


def test_one_phrase_file_for_all(manifest, recognizer, model_folder, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("Priya Sharma\n# a comment\nZoë\t\t\tZoe\n北京\nOsprey\n", encoding="utf-8")
    material = shared_list(read_utterances(manifest), names)
    assert [line.partition(":")[0] for line in material.left_out] == [f"{names}, line 4"]
    assert material.notes == (f"{names}, line 5: Osprey is never spoken",)
    assert set(material.absent["names.txt"].given) == {"two", "four"}
    toys = toys_for(material, recognizer, model_folder, tmp_path / "cache").all()[:1]
    found = run(recognizer, material, toys, model_folder, tmp_path / "cache")
    assert found.rows[0].score.totals.spoken == 3
    refs = {name: material.texts[name] for name in TEXTS}
    hyps = {name: one.text for name, one in found.recognized.of(NONE, "names.txt").items()}
    expected = evaluate(refs, hyps, ["priya sharma", "zoe", "osprey"])
    assert found.rows[0].numbers["wer"].value == expected.value("wer")
    write_report(found, {}, tmp_path / "out")
    assert not list((tmp_path / "out" / "lists").iterdir())


def test_other_audio_for_a_shared_list(manifest, tmp_path):
    (tmp_path / "names.txt").write_text("priya sharma\n")
    others = write_manifest(tmp_path / "others", {"five": "no names in here", "six": "priya sharma again"})
    material = shared_list(read_utterances(manifest), tmp_path / "names.txt", read_utterances(others))
    assert set(material.conditions[0].given) == set(TEXTS)
    assert set(material.absent["names.txt"].given) == {"five"}
    with pytest.raises(MaterialError, match="both manifests"):
        shared_list(read_utterances(manifest), tmp_path / "names.txt", read_utterances(manifest))


def test_lists_of_a_file_and_what_is_wrong_in_it(manifest, tmp_path):
    file = tmp_path / "lists.tsv"
    rows = [
        'one\tcall\t["priya"]\t["priya", "delhi"]',
        "two\ttoo few",
        'three\tcall\t[]\t["oslo"]',
        "x\t\t[]\t[]",
    ]
    file.write_text("\n".join(rows) + "\n")
    material = given_lists(read_utterances(manifest), file)
    assert set(material.utterances) == {"one", "three"}
    assert [line.split(":")[0] for line in material.left_out] == [f"{file}, line 2", str(file), str(file)]
    assert material.absent["lists.tsv"].lists["one"].phrases == ("delhi",)
    assert "1 lists are of utterances" in material.notes[0]
    file.write_text("x\t\t[]\t[]\n")
    with pytest.raises(MaterialError, match="for any utterance"):
        given_lists(read_utterances(manifest), file)


def test_bad_lines_of_a_manifest_are_named_and_the_rest_is_read(tmp_path):
    extra = ["{no json", '{"audio_filepath": "clips/lost.wav", "duration": 1, "text": "a"}']
    extra += ['{"audio_filepath": "clips/one.wav", "duration": 1, "text": "again"}', "[]", '{"duration": 1}']
    extra += ['{"audio_filepath": "clips/two.wav", "duration": 1, "text": " ?! ", "id": "silent"}']
    manifest = write_manifest(tmp_path, extra=extra)
    reading = read_utterances(manifest)
    assert set(reading.utterances) == set(TEXTS)
    wanted = [
        "not JSON",
        "no recording",
        "was used on line 1",
        "object is needed",
        "missing",
        "the text is empty",
    ]
    for number, (line, words) in enumerate(zip(reading.left_out, wanted, strict=True), start=5):
        assert words in line
        assert line.startswith(f"{manifest}, line {number}: ")
    manifest.write_text('{"audio_filepath": "clips/one.wav", "duration": 1, "text": ""}\n')
    with pytest.raises(MaterialError, match="nothing is said"):
        read_utterances(manifest)


def test_unknown_techniques_are_refused(recognizer):
    with pytest.raises(TechniqueError, match=r"'magic'.*none"):
        make_techniques(recognizer, ["magic"])


@pytest.mark.parametrize(
    ("hyp", "fate"),
    [
        ("please call siobhan now", "hits"),
        ("please call shavon now", "substituted"),
        ("please call shiv awn now", "split"),
        ("please call now", "deleted"),
        ("", "deleted"),
        ("siobhan please call now", "deleted"),
    ],
)
def test_fates_worked_by_hand(hyp, fate):
    score = evaluate({"a": "please call siobhan now"}, {"a": hyp}, ["siobhan"])
    found = fates(score, {"a": "please call siobhan now"}, {"a": hyp})
    assert getattr(found, fate) == 1
    assert found.hits + found.substituted + found.split + found.deleted == 1
    assert found.inserted == (hyp == "siobhan please call now")


def test_reliability_counts_every_word_once():
    words = (("call", 0.95), ("maria", 0.35), ("now", 1.0))
    bins = reliability({"a": "call priya now"}, {"a": Hypothesis(words, 0.1)})
    assert [one.words for one in bins] == [1, 2]
    assert [one.correct for one in bins] == [0, 1]
    assert bins[1].confidence == pytest.approx(0.975)
    assert calibration_error(bins) == pytest.approx((0.35 + 2 * 0.025) / 3)
    assert calibration_error([]) == 0

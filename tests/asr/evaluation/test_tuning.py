"""Tuning: the best setting in the budget is taken, and where none is, nothing is written and it is said."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from made_up import COMMON, DISTRACTORS, TEXTS, spoken, write_manifest
from typer.testing import CliRunner

from asr.bias_file import read_bias
from asr.cli import app
from asr.evaluation import tuning
from asr.evaluation.acoustics import ACOUSTIC_FILES, AcousticStore, digest_files
from asr.evaluation.material import MaterialError, read_utterances
from asr.evaluation.run import Workplace
from asr.evaluation.techniques import NONE, Technique
from asr.evaluation.tuning import BUDGETS, DOUBTS, SHARES, UNSPOKEN, choose, tune, tuning_material
from asr.evaluation.tuning_text import conclusion, format_trials
from asr.recognizer import Recognizer
from biasing.intervals import Bootstrap
from biasing.options import BiasOptions

LIST = ["priya sharma", "wilmington", "zoe", "quito"]
STRANGERS = [*DISTRACTORS, "nairobi", "windhoek", "priya sharma", "office"]
QUICK = Bootstrap(rounds=20)


@pytest.fixture(scope="module")
def recognizer(model_folder):
    return Recognizer.from_pretrained(model_folder)


@pytest.fixture
def files(tmp_path):
    write_manifest(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(LIST))
    (tmp_path / "strangers.txt").write_text("\n".join(STRANGERS))
    return tmp_path


def material_of(files):
    return tuning_material(read_utterances(files / "manifest.jsonl"), files / "names.txt", STRANGERS, 0)


@pytest.fixture
def hearing(files, recognizer, model_folder, monkeypatch):
    """A recognizer that hears phrases from a boost of `hears` on, and any of the list from `errs` on."""
    store = AcousticStore(
        files / "cache" / "acoustics", recognizer, digest_files(model_folder, ACOUSTIC_FILES)
    )
    said = {
        store.hear(one.audio).segments[0].log_probs.tobytes(): one.text
        for one in read_utterances(files / "manifest.jsonl").utterances.values()
    }
    limits = SimpleNamespace(hears=8.0, errs=12.0, calls=0)

    def made(name, budget):
        def decode(acoustics, phrases):
            limits.calls += 1
            known = set(COMMON)
            known |= {w for one in phrases for w in one.display.split() if budget >= limits.hears}
            text = [word for word in said[acoustics.log_probs.tobytes()].split() if word in known]
            extra = [next(iter(phrases)).display] if budget >= limits.errs else []
            return spoken(" ".join([*text, *extra]))

        return Technique(name, f"made up {limits.hears} {limits.errs}", decode)

    monkeypatch.setattr(tuning, "make_techniques", lambda *_: [made(NONE, 0.0)])
    monkeypatch.setattr(tuning, "biased", lambda name, bias: lambda _: made(name, bias.boost.budget))
    return limits


def tuned(files, recognizer, model_folder, most):
    place = Workplace(str(model_folder), files / "cache", shown=False)
    return tune(recognizer, material_of(files), most, place, QUICK)


def test_the_other_list_is_as_long_and_nothing_of_it_is_spoken(files):
    material = material_of(files)
    assert set(material.absent) == {UNSPOKEN}
    unspoken = material.absent[UNSPOKEN]
    assert set(unspoken.given) == set(TEXTS)
    drawn = unspoken.lists["one"].phrases
    assert len(drawn) == len(set(drawn)) == len(LIST)
    assert not set(drawn) & {*LIST, "office", "zoe"}
    assert not [one for one in drawn if any(one in text.split() for text in TEXTS.values())]
    assert material_of(files).absent[UNSPOKEN].lists["one"].phrases == drawn
    with pytest.raises(MaterialError, match="are not as many as the 4"):
        tuning_material(read_utterances(files / "manifest.jsonl"), files / "names.txt", STRANGERS[:3], 0)


def test_the_weakest_of_the_best_settings_in_the_budget_is_chosen(files, recognizer, model_folder, hearing):
    found = tuned(files, recognizer, model_folder, 0.5)
    assert found.chosen is found.best
    assert found.chosen.bias.boost.budget == 8.0
    assert found.chosen.bias.unigram.most == SHARES[0]
    assert (found.chosen.f1, found.chosen.mistakes, found.plain.f1) == (1.0, 0.0, 0.0)
    assert {one.bias.boost.budget for one in found.trials} == set(BUDGETS)
    assert {one.bias.unigram.most for one in found.trials} >= set(SHARES)
    assert {one.bias.phonetic.veto_margin for one in found.trials} >= set(DOUBTS)
    assert len({one.bias.phonetic.veto_margin - one.bias.spotter.doubt for one in found.trials}) == 1
    assert len({one.name for one in found.trials}) == len(found.trials)
    table = format_trials(found)
    assert table.count("*") == 1
    assert len(table.splitlines()) == 2 + len(found.trials) + 2
    assert "F1 goes from 0.0 to 100.0 %" in conclusion(found)[0]


def test_tuning_begins_with_the_options_of_the_model_and_tries_them(
    files, recognizer, model_folder, hearing, monkeypatch
):
    plain = BiasOptions()
    boost, spotter = replace(plain.boost, budget=10.0), replace(plain.spotter, doubt=5.0)
    own = replace(plain, n_best=7, boost=boost, spotter=spotter)
    monkeypatch.setattr(recognizer, "bias", own)
    hearing.hears, hearing.errs = 9.0, 11.0
    found = tuned(files, recognizer, model_folder, 0.5)
    assert own in [one.bias for one in found.trials]
    assert {one.bias.boost.budget for one in found.trials} == {*BUDGETS, 10.0}
    assert {one.bias.n_best for one in found.trials} == {7}
    between = own.phonetic.veto_margin - own.spotter.doubt
    assert {one.bias.phonetic.veto_margin - one.bias.spotter.doubt for one in found.trials} == {between}
    assert found.chosen.bias.boost.budget == 10.0


def test_mistakes_are_counted_by_the_minute_with_both_lists(files, recognizer, model_folder, hearing):
    hearing.errs = 0.0
    found = tuned(files, recognizer, model_folder, 0.5)
    minutes = sum(one.duration for one in material_of(files).utterances.values()) / 60
    assert found.chosen is None
    for one in found.trials:
        assert one.strange == len(TEXTS)
        assert one.mistakes == pytest.approx(len(TEXTS) / minutes)
    said = " ".join(conclusion(found))
    assert f"None of the {len(found.trials)} settings keeps to 0.5 phrases a minute" in said
    assert "Most often heard by mistake: priya sharma (" in said
    assert tuned(files, recognizer, model_folder, 1000.0).chosen is not None


def test_a_list_that_helps_nobody_is_not_chosen(files, recognizer, model_folder, hearing):
    hearing.hears = 99.0
    found = tuned(files, recognizer, model_folder, 0.5)
    assert found.chosen is None
    assert "is better than no list" in conclusion(found)[0]


def test_nothing_is_searched_twice(files, recognizer, model_folder, hearing):
    first = tuned(files, recognizer, model_folder, 0.5)
    done = hearing.calls
    assert done == 2 * len(TEXTS) * (1 + len(first.trials))
    again = tuned(files, recognizer, model_folder, 0.5)
    assert hearing.calls == done
    assert format_trials(again) == format_trials(first)


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_the_best_in_the_budget_or_the_one_of_fewest_mistakes(seed):
    rng = random.Random(seed)
    trials = [
        SimpleNamespace(f1=rng.randint(0, 9) / 9, mistakes=rng.randint(0, 9) / 10, bias=None)
        for _ in range(9)
    ]
    most = rng.choice([0.0, 0.2, 0.5])
    best = choose(trials, most)
    within = [one for one in trials if one.mistakes <= most]
    if within:
        assert best.mistakes <= most
        assert best.f1 == max(one.f1 for one in within)
    else:
        assert best.mistakes == min(one.mistakes for one in trials)


def onoma(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_command_writes_a_file_that_the_others_read(files, model_folder, hearing):
    manifest, out = files / "manifest.jsonl", files / "options.toml"
    flags = ["--phrases", files / "names.txt", "--model", model_folder]
    pool = ["--distractors", files / "strangers.txt", "--cache", files / "cache"]
    done = onoma("tune", manifest, *flags, *pool, "--mistakes", 0.5, "-o", out)
    assert done.exit_code == 0, done.output
    assert "Chosen: boost 8 class 0" in done.stdout
    assert read_bias(out).boost.budget == 8.0
    assert "# Chosen by: onoma" in out.read_text()
    assert onoma("tune", manifest, *flags, *pool, "--mistakes", 0.5, "-o", out, "-q").stdout == ""
    more = ["--options", out, "--techniques", "none", "-o", files / "out"]
    done = onoma("evaluate", manifest, *flags, *more)
    assert done.exit_code == 0, done.output
    assert "options finds" in done.stdout
    clip = files / "clips" / "one.wav"
    assert onoma("transcribe", clip, *flags, "--options", out).exit_code == 0
    alone = onoma("transcribe", clip, "--model", model_folder, "--options", out)
    assert alone.exit_code == 2
    assert "it needs --phrases" in " ".join(alone.stderr.replace("│", " ").split())


def test_nothing_is_written_when_nothing_keeps_to_the_budget(files, model_folder, hearing):
    hearing.errs = 0.0
    flags = ["--phrases", files / "names.txt", "--model", model_folder, "-o", files / "options.toml", "-q"]
    done = onoma("tune", files / "manifest.jsonl", *flags, "--distractors", files / "strangers.txt")
    assert done.exit_code == 1
    assert "keeps to 0.1 phrases a minute" in done.stderr
    assert not (files / "options.toml").exists()

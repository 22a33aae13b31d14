"""Comparing with others: phrases that the word spotter finds are put in as its rule says."""

import json
from types import SimpleNamespace

import pytest

from asr.align import TimedWord
from biasing.spotting import Spotted, SpottingOptions
from recipes.entities import ablation
from recipes.entities.__main__ import without_places
from recipes.entities.ablation import RESULTS, Bench, load_weights
from recipes.entities.parts import compact, joined
from recipes.entities.peers import NAMES
from recipes.entities.spotter import Recognized, merge


def recognized(text, start, end, score):
    return Recognized(TimedWord(text, start, end, 0.5, 0, 0), score, start, end)


def test_merging_worked_by_hand():
    words = [recognized("call", 0, 10, -1), recognized("mar", 10, 14, -2), recognized("ya", 14, 20, -2)]
    options = SpottingOptions()

    def merged(*spotted):
        return " ".join(word.text for word in merge(words, list(spotted), options))

    assert merged() == "call mar ya"
    assert merged(Spotted(0, "maria", -4, 10, 20)) == "call maria"
    assert merged(Spotted(0, "maria", -4.1, 10, 20)) == "call mar ya"
    assert merged(Spotted(0, "maria", -4.9, 8, 20)) == "call maria", "two frames of ten are not 30 percent"
    assert merged(Spotted(0, "maria", -4.9, 6, 20)) == "maria"
    assert merged(Spotted(0, "amen", 0, 25, 30)) == "call mar ya amen"


def test_a_peer_that_was_never_tuned_is_refused_in_one_line(tmp_path, monkeypatch):
    bench = Bench(tmp_path, "base-en", tmp_path / "cache")
    monkeypatch.setattr(ablation, "RESULTS", tmp_path)
    bench.results.mkdir(parents=True)
    bench.weights.write_text('{"weights": {"icefall": 2.0}}')
    assert load_weights(bench, ["icefall"]) == {"icefall": 2.0}
    with pytest.raises(SystemExit, match=r"no weights for pyctcdecode; run .* --techniques pyctcdecode"):
        load_weights(bench, ["icefall", "pyctcdecode"])


@pytest.mark.parametrize("tuned", [{}, {"icefall": 2.0}, dict.fromkeys(NAMES, 1.0)])
def test_of_others_those_that_were_tuned_are_compared_and_the_rest_is_told(
    tmp_path, monkeypatch, capsys, tuned
):
    bench = Bench(tmp_path, "base-en", tmp_path / "cache")
    monkeypatch.setattr(ablation, "RESULTS", tmp_path)
    if tuned:
        bench.results.mkdir(parents=True)
        bench.weights.write_text(json.dumps({"weights": tuned}))
    names = ablation.all_techniques(SimpleNamespace(encoder_bias=None), bench)
    assert [name for name in names if name in NAMES] == [name for name in NAMES if name in tuned]
    told = capsys.readouterr().out
    assert all((name in told) == (name not in tuned) for name in NAMES if name != "spotter")
    assert load_weights(bench, list(tuned)) == tuned


def test_numbers_are_kept_without_the_places_of_one_machine():
    given = [
        "run",
        "/some/where/base-en",
        "--data",
        "/a/b",
        "--cache=/c",
        "--sizes",
        "0",
        "100",
        "--out",
        "d",
    ]
    assert without_places(given) == ["run", "base-en", "--sizes", "0", "100"]
    for file in RESULTS.rglob("*.json"):
        command = json.loads(file.read_text()).get("settings", {}).get("command", "")
        assert "/" not in command, file


def part(techniques, sizes, weights="w", **constants):
    """What a run of some techniques and sizes finds."""
    rows = [{"technique": one, "condition": size, "numbers": {}} for one in techniques for size in sizes]
    settings = {
        "command": f"run {' '.join(techniques)} {' '.join(sizes)}",
        "model": "m",
        "weights": weights,
        "decoding": {"beam": 16},
        "techniques": {one: constants.get(one, "as ever") for one in techniques},
    }
    lists = [{"name": size, "phrases_per_utterance": float(size)} for size in sizes]
    counts = {"utterances": 2, "minutes": 0.5, "left_out": []}
    return {"settings": settings, **counts, "conditions": lists, "rows": rows, "absent": rows[1:]}


def measured(found):
    return {(row["technique"], row["condition"]) for row in found["rows"]}


def test_parts_of_a_comparison_are_put_together():
    order = ["none", "joint", "spotter"]
    whole = part(["none", "joint"], ["0", "100"])
    more = joined(whole, part(["none", "spotter"], ["100", "1000"]), order)
    assert measured(more) == measured(whole) | measured(part(["none", "spotter"], ["100", "1000"]))
    assert [one["name"] for one in more["conditions"]] == ["0", "100", "1000"]
    techniques = [row["technique"] for row in more["rows"] if row["condition"] == "100"]
    assert techniques == ["none", "joint", "spotter"]
    assert more["settings"]["command"] == "run none joint 0 100 && run none spotter 100 1000"
    again = json.loads(compact(joined(json.loads(compact(more)), whole, order)))
    assert again["rows"] == more["rows"]
    assert again["settings"] == more["settings"]


def test_what_is_no_longer_true_is_not_put_together():
    order = ["none", "joint", "spotter"]
    whole = part(["none", "joint"], ["0", "100"])
    other = part(["none", "joint"], ["1000"], joint="stronger")
    assert measured(joined(whole, other, order)) == {("none", "0"), ("none", "100"), *measured(other)}
    retrained = part(["none", "spotter"], ["100"], weights="v")
    assert joined(whole, retrained, order) is retrained
    assert (
        joined(whole, part(["none"], ["0"]) | {"utterances": 3}, order)["rows"]
        == part(["none"], ["0"])["rows"]
    )

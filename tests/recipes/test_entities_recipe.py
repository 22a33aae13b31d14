"""Comparing with others: phrases that the word spotter finds are put in as its rule says."""

import json

from asr.align import TimedWord
from biasing.spotting import Spotted, SpottingOptions
from recipes.entities.__main__ import without_places
from recipes.entities.ablation import RESULTS
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

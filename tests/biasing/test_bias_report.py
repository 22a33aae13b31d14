"""Reports: every phrase is told of once, by the best that happened to it, with evidence."""

import json

import pytest

from biasing.finder import Found, PhraseFinder
from biasing.phrases import make_phrases
from biasing.report import Event, Outcome, format_report, report

LIST = make_phrases(["Kaity", "New York", "New York City", "Zelenskyy", "小"])
KAITY, NEW_YORK, CITY, ZELENSKYY = (
    [entry.display for entry in LIST].index(name)
    for name in ("Kaity", "New York", "New York City", "Zelenskyy")
)


def event(entry, outcome, start=1.0, evidence=-0.5, instead="katie", **more):
    return Event(entry, outcome, start, start + 0.5, 8.0, evidence, instead, 0.7, **more)


EVENTS = [
    event(KAITY, Outcome.nearly, 9.0),
    event(KAITY, Outcome.fired, 3.0),
    event(NEW_YORK, Outcome.vetoed, 2.0, instead="new work"),
]


def test_every_phrase_is_told_of_by_its_best_event():
    found = report(LIST, EVENTS)
    assert [one.phrase for one in found] == [entry.display for entry in LIST]
    outcomes = {one.phrase: one.outcome for one in found}
    assert outcomes["Kaity"] is Outcome.fired
    assert outcomes["New York"] is Outcome.vetoed
    assert outcomes["Zelenskyy"] is Outcome.never
    assert [one.phrase for one in found.fired] == ["Kaity"]
    assert [one.start for one in found["Kaity"].events] == [3.0, 9.0]
    with pytest.raises(KeyError):
        found["Katie"]


def test_the_order_of_events_has_no_say():
    assert report(LIST, EVENTS) == report(LIST, EVENTS[::-1])


def test_reasons_name_what_was_heard_instead():
    found = report(LIST, EVENTS)
    assert '"katie" without the list; bonus 8.0, evidence -0.5 nats' in found["Kaity"].reason
    assert '"new work"' in found["New York"].reason
    assert "never begun" in found["Zelenskyy"].reason
    alike = event(KAITY, Outcome.fired, evidence=0.0)
    assert alike.reason == "heard without the list too"
    assert "pronunciation" in event(KAITY, Outcome.fired, way="pronunciation").reason
    assert "lost to nothing" in event(KAITY, Outcome.nearly, instead="").reason


def test_a_report_is_plain_json_and_tells_of_unusable_lines():
    fields = json.loads(json.dumps(report(LIST, EVENTS, "a plain text").to_dict()))
    assert [one["phrase"] for one in fields["phrases"]] == ["Kaity", "New York"]
    assert set(fields["never"]) == {"New York City", "Zelenskyy"}
    assert fields["unusable"][0]["text"] == "小"
    assert fields["plain_text"] == "a plain text"
    lines = format_report(report(LIST, EVENTS)).splitlines()
    assert lines[0].startswith("fired")
    assert "2 of 4 phrases never begun" in lines
    assert lines[-1].startswith("unusable, line 5")


def test_events_move_with_their_segment():
    moved = EVENTS[0].shifted(10.0)
    assert (moved.start, moved.end) == (19.0, 19.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in new york city we met", [(CITY, 1, 4)]),
        ("new york new york", [(NEW_YORK, 0, 2), (NEW_YORK, 2, 4)]),
        ("kaity in newyork", [(KAITY, 0, 1)]),
        ("the category", []),
        ("", []),
    ],
)
def test_the_longest_phrase_is_found_at_each_place(text, expected):
    assert PhraseFinder(LIST).find(text.split()) == [Found(*one) for one in expected]


def test_a_spelling_of_two_phrases_belongs_to_the_one_it_is_written_as():
    listed = make_phrases(["aaron\t\tbaron", "baron"])
    (found,) = PhraseFinder(listed).find(["baron"])
    assert listed[found.entry].display == "baron"
    assert PhraseFinder([]).find(["baron"]) == []

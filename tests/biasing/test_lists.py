"""Biasing lists of benchmarks: read as they were written, and bad ones named by file and line."""

import json
from collections import Counter

import pytest

from biasing.lists import (
    BiasingList,
    ListsError,
    draw_lists,
    format_lists,
    rare_words,
    read_lists,
    read_vocabulary,
)


def row(name: str, text: str, spoken: list[str], phrases: list[str]) -> str:
    return "\t".join([name, text, json.dumps(spoken), json.dumps(phrases)])


def test_lists_are_read_as_written(tmp_path):
    path = tmp_path / "lists.tsv"
    rows = [row("1-2-0", "call zoë", ["zoë"], ["anna", "zoë"]), row("1-2-1", "now", [], ["bob"])]
    path.write_text("\ufeff" + "\r\n".join(rows) + "\r\n\r\n", encoding="utf-8")
    assert read_lists(path) == {
        "1-2-0": BiasingList(("anna", "zoë"), ("zoë",), "call zoë"),
        "1-2-1": BiasingList(("bob",), (), "now"),
    }


GOOD = row("a", "x", ["x"], ["x", "y"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{GOOD}\nb\tx\t[]", "line 2: has 3 columns; give the four columns id, text"),
        (f"{GOOD}\n\n{GOOD}", "line 3: a second list for 'a'"),
        ("a\tx\t[x]\t[]", "line 1, column 3: not JSON"),
        ('a\tx\t[]\t{"x": 1}', r"line 1, column 4: '\{\"x\": 1\}' is not a JSON list of words"),
        ('a\tx\t[]\t["x", 1]', "line 1, column 4: .* is not a JSON list of words"),
        ('a\tx\t[]\t[" "]', "line 1, column 4: .* is not a JSON list of words"),
        (row("a", "x", ["x"], ["y"]), "line 1: 'x' of column 3 is missing in column 4"),
        ("\n", "holds no lists"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, content, words):
    path = tmp_path / "lists.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ListsError, match=words) as caught:
        read_lists(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_known_words_are_the_first_of_each_line(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("the 900\r\n\nof\t800\nzoë\n", encoding="utf-8")
    assert read_vocabulary(path) == {"the", "of", "zoë"}
    path.write_text("\n")
    with pytest.raises(ListsError, match=r"words\.txt: holds no words"):
        read_vocabulary(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ListsError, match=r"absent\.tsv: cannot be read \(No such file"):
        read_lists(tmp_path / "absent.tsv")


POOL = [f"word{number}" for number in range(50)]


@pytest.mark.parametrize("seed", range(3))
def test_drawn_lists(seed):
    texts = {"a": "say word1 and hello", "b": "nothing", "c": "word2 word3 word2"}
    own = {"a": ("hello",), "b": (), "c": ("word2", "word3")}
    lists = draw_lists(texts, own, POOL, 20, seed)
    for name, one in lists.items():
        drawn = one.phrases[len(own[name]) :]
        assert one.phrases[: len(own[name])] == one.spoken == own[name]
        assert len(set(drawn)) == 20
        assert not set(drawn) & set(texts[name].split())
        assert set(drawn) <= set(POOL)
    shorter = draw_lists(texts, own, POOL[::-1], 5, seed)
    assert all(lists[name].phrases[: len(one.phrases)] == one.phrases for name, one in shorter.items())
    alone = draw_lists({"b": "nothing"}, own, POOL, 20, seed)
    assert alone["b"] == lists["b"]
    assert draw_lists(texts, own, POOL, 20, seed + 1)["b"] != lists["b"]
    with pytest.raises(ListsError, match="50 distractors are too few"):
        draw_lists(texts, own, POOL, 50, seed)


def test_drawing_takes_every_distractor_equally_often():
    counts = Counter(
        phrase
        for one in draw_lists(
            {str(n): "" for n in range(500)}, {str(n): () for n in range(500)}, POOL, 10
        ).values()
        for phrase in one.phrases
    )
    assert set(counts) == set(POOL)
    assert 60 < min(counts.values()) <= max(counts.values()) < 150  # 100 each, about 4.5 standard deviations


def test_lists_that_are_written_are_read_again(tmp_path):
    lists = {"a": BiasingList(("ann", 'b "o"b\t'), ("ann",), "call ann"), "b": BiasingList((), (), "")}
    (tmp_path / "lists.tsv").write_text(format_lists(lists))
    assert read_lists(tmp_path / "lists.tsv") == lists


def test_rare_words_are_those_that_are_not_common():
    assert rare_words("call ann and ann's bob ann", {"call", "and"}) == ("ann", "ann's", "bob")


def test_faults_are_collected_and_the_rest_is_read(tmp_path):
    file = tmp_path / "lists.tsv"
    file.write_text('a\tx\t[]\t["bob"]\nb\tx\na\tx\t[]\t[]\nc\tx\t["ann"]\t[]\n')
    faults = []
    assert set(read_lists(file, faults)) == {"a"}
    assert [fault.split(":")[0].rpartition(" ")[2].rstrip(",") for fault in faults[:2]] == ["2", "3"]
    assert len(faults) == 3

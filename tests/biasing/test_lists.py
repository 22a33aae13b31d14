"""Biasing lists of benchmarks: read as they were written, and bad ones named by file and line."""

import json

import pytest

from biasing.lists import BiasingList, ListsError, read_lists, read_vocabulary


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

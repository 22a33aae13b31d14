"""Tables of the recipe: numbers come from the kept results, and nothing else of a page changes."""

import json
from pathlib import Path

import pytest

from recipes.entities.figures import draw
from recipes.entities.tables import REGION, fill

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "recipes/README.md", "recipes/entities/README.md")


def row(technique, condition, value, p):
    number = {"value": value, "low": value - 0.1, "high": value + 0.1}
    numbers = dict.fromkeys(("f1", "precision", "recall", "b_wer", "u_wer", "wer"), number)
    versus = {} if p is None else {key: {"p": p} for key in ("f1", "b_wer", "u_wer", "wer")}
    return {"technique": technique, "condition": condition, "numbers": numbers, "versus_none": versus}


def results(folder, size="100"):
    rate = {"value": 0.25, "low": 0.1, "high": 0.4}
    found = {
        "conditions": [{"name": "0"}, {"name": size}],
        "rows": [
            row("none", "0", 0.5, None),
            row("joint", "0", 0.5, 1.0),
            row("none", size, 0.5, None),
            row("joint", size, 0.75, 0.001),
            row("lookup", size, 0.625, 0.5),
        ],
        "absent": [
            {"technique": "joint", "condition": size, "false_accepts_per_minute": rate, "changed": rate}
        ],
    }
    (folder / "small").mkdir(exist_ok=True)
    (folder / "small" / "dev.json").write_text(json.dumps(found))


def filled(folder, marker, before="old 99.9"):
    page = folder / "page.md"
    page.write_text(f"above\n<!-- {marker} -->\n{before}\n<!-- end -->\nbelow\n")
    assert fill(page, folder) == 1
    text = page.read_text()
    assert REGION.sub("", text) == "above\n\nbelow\n"
    assert fill(page, folder) == 1
    assert page.read_text() == text
    return text


@pytest.mark.parametrize(
    ("marker", "line"),
    [
        ("table: small dev f1", "| joint | 50.0 (40.0 to 60.0) | 75.0* (65.0 to 85.0) |"),
        ("table: small dev f1", "| lookup | - | 62.5 (52.5 to 72.5) |"),
        ("table: small dev absent", "| joint | 0.25 / 25.0 |"),
        ("worth: 100 small,large dev,test", "| `small` | dev | 100 | 50.0 -> 75.0* (65.0 to 85.0) |"),
        ("techniques: 100 small dev", "| `small` | joint | 75.0* (65.0 to 85.0) |"),
        ("growth: large,small dev", "| `small` | F1 % | 50.0 | 75.0 |"),
    ],
)
def test_tables_are_made_of_results(tmp_path, marker, line):
    results(tmp_path)
    text = filled(tmp_path, marker)
    assert line in text
    assert "99.9" not in text


@pytest.mark.parametrize(
    "marker",
    ["table: large dev f1", "worth: 100 small test", "techniques: 500 small dev", "growth: large,larger dev"],
)
def test_what_is_not_measured_leaves_what_stands_there(tmp_path, marker):
    results(tmp_path)
    assert "old 99.9" in filled(tmp_path, marker)


def test_a_set_with_one_list_of_its_own_is_shown_with_that(tmp_path):
    results(tmp_path, "285")
    assert "| `small` | dev | 285 |" in filled(tmp_path, "worth: 100 small dev")
    assert "old 99.9" in filled(tmp_path, "techniques: 100 small dev")


def test_a_comment_that_asks_for_too_much_is_named(tmp_path):
    (tmp_path / "page.md").write_text("<!-- worth: 100 small -->\n<!-- end -->\n")
    with pytest.raises(SystemExit, match="3 words are needed, not 2"):
        fill(tmp_path / "page.md", tmp_path)


@pytest.mark.parametrize("name", PAGES)
def test_the_kept_tables_are_those_of_the_kept_results(tmp_path, name):
    text = (ROOT / name).read_text(encoding="utf-8")
    copy = tmp_path / "page.md"
    copy.write_text(text, encoding="utf-8")
    assert fill(copy, ROOT / "recipes" / "entities" / "results") > 0
    assert copy.read_text(encoding="utf-8") == text


def test_figures_show_what_was_measured_at_all_lengths(tmp_path):
    lists = ("0", "100", "500")
    rows = [row(name, one, 0.5, None) for name in ("none", "joint", "spotter") for one in lists]
    rows.append(row("boosting", "100", 0.5, 1.0))
    rows.append(row("joint-veto", "100", 0.5, 1.0))
    folder = tmp_path / "small"
    folder.mkdir()
    found = {"conditions": [{"name": one} for one in lists], "rows": rows, "absent": []}
    (folder / "dev.json").write_text(json.dumps(found))
    (folder / "weights.json").write_text('{"weights": {}}')
    results(tmp_path / "small")  # has one list beside none: nothing to draw
    assert draw(tmp_path) == 3
    figure = (folder / "dev-f1.svg").read_text()
    assert all(f">{name}<" in figure for name in ("none", "joint", "spotter"))
    assert "boosting" not in figure
    assert "veto" not in figure

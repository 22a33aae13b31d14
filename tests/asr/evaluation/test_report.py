"""What people read: the page is whole and alone, charts agree with numbers, the command says its part."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from made_up import COMMON, DISTRACTORS, TEXTS, run, toys_for, write_manifest
from typer.testing import CliRunner

from asr.cli import app
from asr.evaluation import charts, groups, markdown, page, tables
from asr.evaluation.charts import Axes, Point, Series
from asr.evaluation.material import Pool, drawn_lists, read_utterances
from asr.evaluation.results import to_dict
from asr.recognizer import Recognizer

VOID = {"meta", "line", "circle", "rect", "polyline", "polygon", "i"}


class Whole(HTMLParser):
    """Checks that every element is closed, and that nothing outside is asked for."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.outside = [], [], []

    def handle_starttag(self, tag, attributes):
        self.outside += [value for name, value in attributes if name in {"src", "href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


def read_page(text):
    parser = Whole()
    parser.feed(text)
    assert parser.open == []
    assert parser.outside == []
    assert "url(" not in text
    assert "@import" not in text
    return parser.cells


@pytest.fixture(scope="module")
def evaluation(model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    manifest = write_manifest(folder, extra=['{"audio_filepath": "<b>&.wav", "duration": 1, "text": "a"}'])
    recognizer = Recognizer.from_pretrained(model_folder)
    material = drawn_lists(read_utterances(manifest), (0, 3, 6), Pool(frozenset(COMMON), tuple(DISTRACTORS)))
    toys = toys_for(material, recognizer, model_folder, folder / "cache").all()
    return run(recognizer, material, toys, model_folder, folder / "cache")


def test_the_page_stands_alone_and_says_every_number(evaluation):
    text = page.page(evaluation, {"command": "onoma evaluate <x>"})
    cells = read_page(text)
    for table in (
        tables.main_table,
        tables.absent_table,
        tables.fate_table,
        tables.cost_table,
        groups.group_table,
    ):
        for cell in {cell for row in table(evaluation).rows for cell in row if cell}:
            value, bracket, interval = cell.partition(" (")
            # Intervals stand behind their values in small print.
            small = bracket and " to " in interval
            assert (value + " " if small else cell) in cells
            assert not small or interval.rstrip(")") in cells
    assert all(one.value in cells for one in tables.tiles(evaluation))
    assert "<b>&" not in text
    assert "<x>" not in text
    assert "prefers-color-scheme: dark" in text
    assert any("<b>&.wav" in cell for cell in cells)


def test_the_markdown_has_the_same_tables_and_the_worst_utterances(evaluation):
    text = markdown.report(evaluation, {"command": "x"})
    assert markdown.table(tables.main_table(evaluation)) in text
    assert "what was left out" in text.lower()
    worst = tables.examples(evaluation)
    assert worst
    for one in worst:
        assert " ".join(cell.said for cell in one.cells if cell.said) == TEXTS[one.id]
        technique, condition = tables.featured(evaluation)
        heard = evaluation.recognized.of(technique, condition)[one.id].text
        assert " ".join(cell.helped for cell in one.cells if cell.helped) == heard
        rows = markdown.example(one, technique).split("```")[1].strip("\n").split("\n")
        assert len(rows) == 3
        assert "PRIYA" in rows[0] or "priya" not in rows[0]


def test_the_verdict_names_what_the_list_does(evaluation):
    text = " ".join(tables.verdict(evaluation))
    row = evaluation.row("parrot", "3")
    assert f"{100 * row.numbers['f1'].value:.1f} %" in text
    assert "heard by mistake" in text
    assert "As the list grows to 6 distractors" in text
    assert text.startswith(("The list helps.", "Whether the list helps is not clear."))


def test_groups_of_phrases_sum_to_all_of_them(evaluation):
    found = groups.group_table(evaluation)
    spoken = {row[0]: int(row[1]) for row in found.rows}
    total = evaluation.row(*tables.featured(evaluation)).score.totals.spoken
    lengths = sum(count for name, count in spoken.items() if "word" in name)
    letters = sum(count for name, count in spoken.items() if "letter" in name)
    known = sum(count for name, count in spoken.items() if "vocabulary" in name)
    assert lengths == letters == known == total > 0


def test_results_go_through_json(evaluation):
    found = json.loads(json.dumps(to_dict(evaluation, {"seed": 0}), allow_nan=False))
    assert [one["name"] for one in found["conditions"]] == ["0", "3", "6"]
    assert len(found["rows"]) == len(found["confidence"]) == 9
    assert len(found["absent"]) == 6
    for row in found["rows"]:
        assert sum(counts[0] for counts in row["each_phrase"].values()) == row["phrases"]["spoken"]


def test_points_lie_where_their_values_are():
    axes = Axes(["0", "100", "500"], "size", "F1")
    values = [0.1, 0.4, 0.8]
    text = charts.line_chart("F1", axes, [Series("<a>", [Point(v, v - 0.05, v + 0.05) for v in values])])
    read_page(text)
    heights = [float(y) for y in re.findall(r'class="dot s0" cx="[\d.]+" cy="([\d.]+)"', text)]
    assert len(heights) == 3
    assert (heights[0] - heights[1]) / (heights[1] - heights[2]) == pytest.approx(0.3 / 0.4, abs=0.01)
    assert "10.0 % (5.0 % to 15.0 %)" in text


def test_figures_are_svg_files_that_stand_alone(evaluation):
    for name, text in page.figures(evaluation).items():
        tree = ElementTree.fromstring(text)
        assert tree.tag == "{http://www.w3.org/2000/svg}svg"
        words = [one.text for one in tree.iter("{http://www.w3.org/2000/svg}text")]
        assert {"none", "perfect", "parrot", "0", "3", "6"} <= set(words), name
        assert "prefers-color-scheme: dark" in text


def test_charts_of_nothing_are_empty_not_broken():
    nothing = Point(float("nan"), float("nan"), float("nan"))
    for text in (
        charts.line_chart("none", Axes(["0"], "x", "y"), [Series("a", [nothing])]),
        charts.bar_chart("none", [("a", nothing)]),
        charts.bar_chart("none", []),
        charts.stacked_chart("none", ["hit"], [], [0]),
        charts.reliability_chart("none", [("a", [])], [0]),
        charts.change_chart("none", [("a", float("nan"), 1.0)]),
    ):
        read_page(text)
        assert "nan" not in text


@pytest.mark.parametrize(
    ("value", "top"), [(0.0, 1.0), (0.03, 0.04), (1.0, 1.0), (1.01, 2.0), (7.2, 8.0), (95, 100)]
)
def test_axes_end_at_round_numbers(value, top):
    text = charts.bar_chart("a", [("a", Point(value, value, value))], percent=False)
    width = charts.WIDTH - charts.LABEL_WIDTH - 90
    [drawn] = re.findall(r'class="bar s0"[^>]*width="([\d.]+)"', text)
    assert float(drawn) == pytest.approx(value / top * width, abs=0.1)


def onoma(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def files(tmp_path):
    write_manifest(tmp_path)
    (tmp_path / "common.txt").write_text("\n".join(COMMON))
    (tmp_path / "names.txt").write_text("\n".join(DISTRACTORS))
    return tmp_path


def test_the_command_writes_a_report_and_its_verdict(files, model_folder):
    arguments = ["evaluate", files / "manifest.jsonl", "--model", model_folder, "--techniques", "none"]
    arguments += ["--list-sizes", "0,2"]
    pool = ["--common", files / "common.txt", "--distractors", files / "names.txt"]
    first = onoma(*arguments, *pool, "-o", files / "out")
    assert first.exit_code == 0, first.output
    assert "%" in first.stdout
    assert str(files / "out" / "report.html") in first.stderr
    names = {file.name for file in (files / "out").iterdir()}
    assert names >= {"report.html", "report.md", "results.json", "said.jsonl", "hypotheses", "lists"}
    before = (files / "out" / "report.html").read_text()
    assert onoma(*arguments, *pool, "-o", files / "out", "-q").stdout == ""
    assert (files / "out" / "report.html").read_text() == before
    own = onoma("evaluate", files / "manifest.jsonl", "--model", model_folder, "-o", files / "own")
    assert own.exit_code == 2, "the tiny model knows fewer words than 5000"
    assert "distractors are too few" in own.stderr


def test_what_was_left_out_is_said_and_the_exit_code_is_1(files, model_folder):
    with (files / "manifest.jsonl").open("a") as stream:
        stream.write("{broken\n")
    (files / "mine.txt").write_text("zoe\n")
    flags = ["--techniques", "none", "--phrases", files / "mine.txt", "-o", files / "out"]
    done = onoma("evaluate", files / "manifest.jsonl", "--model", model_folder, *flags)
    assert done.exit_code == 1, done.output
    assert f"left out: {files / 'manifest.jsonl'}, line 5: not JSON" in done.stderr
    assert "line 5: not JSON" in (files / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--phrases", "a", "--lists", "b"], "give one"),
        (["--list-sizes", "0,many"], "whole numbers"),
        (["--absent", "other.jsonl"], "--absent needs --phrases"),
        (["--phrases", "a", "--common", "b"], "for drawing lists"),
        (["--techniques", "magic"], "no technique is called 'magic'"),
        (["--phrases", "missing.txt"], "missing.txt: cannot be read"),
    ],
)
def test_flags_that_cannot_be_used_are_refused(files, model_folder, flags, words):
    done = onoma("evaluate", files / "manifest.jsonl", "--model", model_folder, "-o", files / "out", *flags)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert not (files / "out" / "report.md").exists()

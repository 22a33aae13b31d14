"""Results and their written forms: what is written can be read back, with every word once and in order."""

import html
import itertools
import json
import re

import numpy as np
import pytest

from asr.result import Result, ResultError, Segment, StoredReport, Word
from asr.subtitles import GAP_MS, LONGEST_CUE_MS, SubtitleError, SubtitleOptions, cues
from asr.writers import WRITERS, srt, vtt

TIME = r"(\d\d):(\d\d):(\d\d)[.,](\d\d\d)"


def random_result(seed: int, pause_s: float = 0.3) -> Result:
    """Return words of all lengths, numbered to be unlike each other, some in need of escaping."""
    rng = np.random.default_rng(seed)
    segments = []
    clock = float(rng.uniform(0, 2))
    count = 0
    for _ in range(rng.integers(1, 8)):
        words = []
        for _ in range(rng.integers(1, 40)):
            text = "".join(rng.choice(list("abcdefghi'&<>é"), rng.integers(1, 14)))
            end = clock + float(rng.uniform(0.0, 0.7))
            phrase = text if rng.random() < 0.1 else None
            words.append(Word(f"{text}{count}", clock, end, float(rng.random()), phrase))
            clock = end + float(rng.choice([0.0, rng.exponential(pause_s)]))
            count += 1
        text = " ".join(word.text for word in words)
        segments.append(Segment(text, words[0].start, words[-1].end, tuple(words)))
    bias = StoredReport({"fired": ["priya"], "missed": []}) if seed % 2 else None
    return Result(tuple(segments), clock + 1.0, audio="talks/my talk.wav", model="small", bias=bias)


def texts(result: Result) -> list[str]:
    return [word.text for word in result.words]


def seconds(hours: str, minutes: str, whole: str, thousandths: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + int(whole) + int(thousandths) / 1000


def parsed_subtitles(text: str) -> list[tuple[float, float, list[str]]]:
    """Read srt or vtt: (start, end, lines) of each block that has a time line."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        for at, line in enumerate(lines):
            times = re.fullmatch(f"{TIME} --> {TIME}", line)
            if times:
                parts = times.groups()
                found.append((seconds(*parts[:4]), seconds(*parts[4:]), lines[at + 1 :]))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_result_survives_json(seed):
    result = random_result(seed)
    fields = result.to_dict()
    assert json.loads(json.dumps(fields)) == fields
    assert Result.from_dict(json.loads(WRITERS["json"](result))) == result
    assert fields["text"] == result.text == " ".join(texts(result))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_hold_every_word_once_and_keep_the_rules(seed, kind):
    result = random_result(seed)
    written = WRITERS[kind](result)
    found = parsed_subtitles(written)
    shown = [word for _, _, lines in found for line in lines for word in line.split(" ")]
    assert [html.unescape(word) if kind == "vtt" else word for word in shown] == texts(result)
    for start, end, lines in found:
        assert start < end <= start + LONGEST_CUE_MS / 1000 + 1e-9
        assert 1 <= len(lines) <= 2
        assert (
            max(len(html.unescape(line) if kind == "vtt" else line) for line in lines)
            <= SubtitleOptions().line_characters
        )
    for (_, end, _), (start, _, _) in itertools.pairwise(found):
        assert end <= start
    if kind == "srt":
        numbers = [int(block.split("\n")[0]) for block in written.strip().split("\n\n")]
        assert numbers == list(range(1, len(found) + 1))
    else:
        assert written.startswith("WEBVTT\n\n")
        assert not re.search(r"&(?!amp;|lt;|gt;)", written)


@pytest.mark.parametrize("seed", range(10))
def test_a_cue_covers_its_words_up_to_the_gap_and_the_gap_is_kept(seed):
    result = random_result(seed)
    found = cues(result)
    words = iter(result.words)
    begins = []
    for cue in found:
        own = [next(words) for _ in " ".join(cue.lines).split(" ")]
        assert cue.start_ms >= round(own[0].start * 1000)
        assert cue.end_ms >= round(own[-1].end * 1000) - GAP_MS
        begins.append(own[0].start * 1000)
    for cue, after, begin in zip(found, found[1:], begins, strict=False):
        if after.start_ms - begin > GAP_MS + 2:
            assert after.start_ms - cue.end_ms >= GAP_MS


@pytest.mark.parametrize("seed", range(10))
def test_ctm_holds_every_word_with_its_time(seed):
    result = random_result(seed)
    rows = [line.split(" ") for line in WRITERS["ctm"](result).splitlines()]
    assert [row[4] for row in rows] == texts(result)
    assert {(row[0], row[1]) for row in rows} == {("my_talk", "1")}
    starts = [float(row[2]) for row in rows]
    assert starts == sorted(starts)
    for row, word in zip(rows, result.words, strict=True):
        start, length, confidence = float(row[2]), float(row[3]), float(row[5])
        assert (start, start + length) == pytest.approx((word.start, word.end), abs=0.00051)
        assert confidence == pytest.approx(word.confidence, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_txt_and_tsv_hold_every_word_once(seed):
    result = random_result(seed)
    assert WRITERS["txt"](result).split() == texts(result)
    header, *rows = WRITERS["tsv"](result).splitlines()
    assert header == "start\tend\ttext"
    table = [row.split("\t") for row in rows]
    assert [word for _, _, text in table for word in text.split()] == texts(result)
    times = [int(time) for start, end, _ in table for time in (start, end)]
    assert times == sorted(times)
    assert times[0] == round(result.segments[0].start * 1000)


@pytest.mark.parametrize(
    ("start", "stamp"),
    [
        (0.0, "00:00:00,000"),
        (59.9994, "00:00:59,999"),
        (59.9996, "00:01:00,000"),
        (3599.9999, "01:00:00,000"),
        (360_000.5, "100:00:00,500"),
    ],
)
def test_time_stamps_carry_when_rounded(start, stamp):
    result = Result((Segment("hi", start, start + 2, (Word("hi", start, start + 2, 1.0),)),), start + 3)
    assert f"\n{stamp} --> " in WRITERS["srt"](result)
    assert f"\n{stamp.replace(',', '.')} --> " in WRITERS["vtt"](result)


def test_a_word_longer_than_a_line_and_a_pause_stand_alone():
    long = "x" * 60
    words = (
        Word("a", 0, 0.5, 1.0),
        Word(long, 0.5, 9.0, 1.0),
        Word("b", 9.0, 9.2, 1.0),
        Word("c", 11, 11.1, 1.0),
    )
    found = cues(Result((Segment("", 0, 21, words),), 30.0))
    assert [cue.lines for cue in found] == [("a",), (long,), ("b",), ("c",)]
    assert found[2].end_ms == 10_000


def test_slow_speech_is_cut_by_time_and_words_at_one_instant_still_follow_each_other():
    slow = tuple(Word("a", number / 2, (number + 1) / 2, 1.0) for number in range(100))
    found = cues(Result((Segment("", 0, 50, slow),), 50.0))
    assert max(cue.end_ms - cue.start_ms for cue in found) == LONGEST_CUE_MS - GAP_MS
    assert len(found) == 9
    instant = tuple(Word("word", 1.0, 1.0, 1.0) for _ in range(100))
    crowded = cues(Result((Segment("", 1, 1, instant),), 2.0))
    times = [time for cue in crowded for time in (cue.start_ms, cue.end_ms)]
    assert times == sorted(times)
    assert times[0] == 1000
    assert sorted({*times[::2]}) == times[::2]


def test_nothing_said_is_written_as_nothing():
    for result in (Result((), 5.0), Result((Segment("", 0.0, 5.0),), 5.0)):
        assert result.text == ""
        written = {name: write(result) for name, write in WRITERS.items()}
        assert written.pop("json")
        assert written == {"txt": "\n", "srt": "", "vtt": "WEBVTT\n", "tsv": "start\tend\ttext\n", "ctm": ""}


def test_a_text_of_several_words_shares_its_time():
    shown = Word("van der waals", 1.0, 2.5, 0.5, "van der waals")
    for segment in (Segment("van der waals", 1.0, 2.5, (shown,)), Segment("van der waals", 1.0, 2.5)):
        rows = [row.split()[2:5] for row in WRITERS["ctm"](Result((segment,), 3.0)).splitlines()]
        assert rows == [["1.000", "0.500", "van"], ["1.500", "0.500", "der"], ["2.000", "0.500", "waals"]]


@pytest.mark.parametrize("seed", range(3))
def test_joined_parts_are_the_whole(seed):
    whole = random_result(seed)
    parts = []
    for segment in whole.segments:
        own = Result(
            (segment.shifted(-segment.start),), segment.end - segment.start, whole.audio, "en", "small"
        )
        parts.append((segment.start, own))
    joined = Result.join(parts, bias=whole.bias)
    assert joined.text == whole.text
    assert joined.duration == pytest.approx(whole.segments[-1].end)
    assert (joined.audio, joined.model, joined.bias) == (whole.audio, whole.model, whole.bias)
    for ours, theirs in zip(joined.words, whole.words, strict=True):
        assert (ours.start, ours.end) == pytest.approx((theirs.start, theirs.end))
    with pytest.raises(ResultError, match="order of time"):
        Result.join([(5.0, whole), (0.0, whole)])
    with pytest.raises(ResultError, match="one or more"):
        Result.join([])


def test_impossible_words_are_refused():
    for start, end in [(-1, 0), (2, 1), (float("nan"), 1)]:
        with pytest.raises(ResultError, match="start <= end"):
            Word("a", start, end, 0.5)
        with pytest.raises(ResultError, match="start <= end"):
            Segment("a", start, end)
    with pytest.raises(ResultError, match="from 0 to 1"):
        Word("a", 0, 1, 1.5)


@pytest.mark.parametrize("path", [("duration",), ("segments",), ("segments", 0, "words"), ("bias",)])
@pytest.mark.parametrize("damage", ["remove", "replace"])
def test_a_damaged_stored_result_is_named(path, damage):
    fields = random_result(1).to_dict()
    inner = fields
    for step in path[:-1]:
        inner = inner[step]
    if damage == "remove":
        del inner[path[-1]]
    else:
        inner[path[-1]] = "nonsense"
    with pytest.raises(ResultError, match=path[-1]):
        Result.from_dict(fields)


@pytest.mark.parametrize(("width", "count"), [(10, 1), (20, 3), (80, 2), (32, 1)])
def test_subtitles_keep_to_width_and_count(width, count):
    rng = np.random.default_rng(7)
    texts = ["x" * int(n) for n in rng.integers(1, 9, 60)]
    said = tuple(Word(text, place / 4, place / 4 + 0.2, 1.0) for place, text in enumerate(texts))
    result = Result((Segment(" ".join(texts), 0.0, 15.0, said),), 15.0)
    found = cues(result, SubtitleOptions(width, count))
    assert [word for cue in found for line in cue.lines for word in line.split()] == texts
    assert all(len(line) <= width for cue in found for line in cue.lines)
    assert max(len(cue.lines) for cue in found) <= count
    for options in ({"line_characters": 0}, {"lines": 0}):
        with pytest.raises(SubtitleError, match="1 or more"):
            SubtitleOptions(**options)


def test_channels_are_told_apart_in_every_format():
    one = Segment("hello there", 0.0, 1.0, (Word("hello", 0.0, 0.5, 1.0), Word("there", 0.5, 1.0, 1.0)), 1)
    two = Segment("hi", 0.4, 0.8, (Word("hi", 0.4, 0.8, 1.0),), 2)
    result = Result((one, two), 2.0)
    assert WRITERS["txt"](result) == "1: hello there\n2: hi\n"
    assert [line.split()[1:5:3] for line in WRITERS["ctm"](result).splitlines()] == [
        ["1", "hello"],
        ["1", "there"],
        ["2", "hi"],
    ]
    assert "2: hi" in srt(result)
    assert "<v 2>hi" in vtt(result)
    assert WRITERS["tsv"](result).splitlines()[2] == "400\t800\thi\t2"
    assert Result.from_dict(json.loads(WRITERS["json"](result))) == result

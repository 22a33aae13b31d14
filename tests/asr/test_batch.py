"""Many recordings: which are meant, where transcripts go, and that one failure stops nothing."""

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import tones, write_wav

from asr.audio import AudioError
from asr.batch import Failure, InputError, Job, Transcript, find_audio, pending, plan_jobs, run_jobs
from asr.progress import AudioProgress, audio_progress
from asr.result import Result, Segment
from asr.writers import WRITERS


@pytest.fixture
def tree(tmp_path):
    for name in ("b.wav", "a.FLAC", "notes.txt", "deep/c.mp3", "deep/er/d.ogg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


def heard(audio, on_progress):
    if "bad" in audio:
        raise AudioError(f"{audio}: damaged")
    on_progress(1.0, 2.0)
    result = Result((Segment(f"text of {Path(audio).name}", 0.0, 1.0),), 1.0, audio=audio)
    return Transcript({"txt": WRITERS["txt"](result)})


def test_folders_are_searched_files_are_taken_as_they_are(tree):
    assert find_audio([str(tree)], recursive=False) == [
        (str(tree / "a.FLAC"), Path("a.FLAC")),
        (str(tree / "b.wav"), Path("b.wav")),
    ]
    assert [str(below) for _, below in find_audio([str(tree)], recursive=True)] == [
        "a.FLAC",
        "b.wav",
        "deep/c.mp3",
        "deep/er/d.ogg",
    ]
    odd = [str(tree / "notes.txt"), "-", "missing.wav"]
    assert [audio for audio, _ in find_audio(odd, recursive=False)] == odd


def test_a_folder_without_recordings_is_refused(tree):
    (tree / "none").mkdir()
    with pytest.raises(InputError, match="--recursive"):
        find_audio([str(tree / "none")], recursive=False)
    with pytest.raises(InputError, match="without recordings") as caught:
        find_audio([str(tree / "none")], recursive=True)
    assert "--recursive" not in str(caught.value)


def test_transcripts_keep_their_folders(tree, tmp_path):
    jobs = plan_jobs([str(tree)], True, ["txt", "srt"], tmp_path / "out")
    assert [path for job in jobs for _, path in job.outputs] == [
        tmp_path / "out" / name
        for name in (
            "a.txt", "a.srt", "b.txt", "b.srt", "deep/c.txt", "deep/c.srt", "deep/er/d.txt", "deep/er/d.srt",
        )
    ]  # fmt: skip
    assert plan_jobs([str(tree / "b.wav")] * 2, False, ["txt"], None) == [Job(str(tree / "b.wav"))]


def test_what_cannot_be_meant_is_refused(tree, tmp_path):
    (tree / "b.ogg").touch()
    with pytest.raises(InputError, match=r"b\.txt"):
        plan_jobs([str(tree)], False, ["txt"], tmp_path)
    with pytest.raises(InputError, match="'doc'; accepted are txt"):
        plan_jobs([str(tree)], False, ["txt", "doc"], tmp_path)
    with pytest.raises(InputError, match="add -o DIR"):
        plan_jobs([str(tree)], False, ["txt", "srt"], None)


def test_only_what_is_missing_is_pending(tmp_path):
    paths = [tmp_path / name for name in ("a.txt", "a.srt", "b.txt", "b.srt")]
    whole, half = (Job(n, (("txt", t), ("srt", s))) for n, t, s in (("a", *paths[:2]), ("b", *paths[2:])))
    shown = Job("c")
    for path in paths[:3]:
        path.touch()
    assert pending([whole, half, shown], overwrite=False) == [half, shown]
    assert pending([whole, half, shown], overwrite=True) == [whole, half, shown]


class Told:
    """What progress is told."""

    def __init__(self):
        self.steps, self.ended = [], []

    def tell(self, audio, done, total):
        self.steps.append((audio, done, total))

    def end(self, audio):
        self.ended.append(audio)


@pytest.mark.parametrize("workers", [1, 2])
def test_one_failure_stops_nothing(tmp_path, workers):
    shown, progress = [], Told()
    jobs = [Job("one"), Job("bad"), Job("two", (("txt", tmp_path / "deep" / "two.txt"),)), Job("three")]
    failures = run_jobs(jobs, heard, lambda *given: shown.append(given), progress, workers)
    assert failures == [Failure("bad", "bad: damaged")]
    assert [(job.audio, made.texts["txt"]) for job, made in shown] == [
        (name, f"text of {name}\n") for name in ("one", "two", "three")
    ]
    assert (tmp_path / "deep" / "two.txt").read_text() == "text of two\n"
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["two.txt"]
    assert sorted(progress.steps) == [(name, 1.0, 2.0) for name in ("one", "three", "two")]
    assert sorted(progress.ended) == ["bad", "one", "three", "two"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_output_that_cannot_be_written_is_a_failure(tmp_path, workers):
    (tmp_path / "file").touch()
    jobs = [
        Job("one", (("txt", tmp_path / "file" / "one.txt"),)),
        Job("two", (("txt", tmp_path / "two.txt"),)),
    ]
    (failure,) = run_jobs(jobs, heard, lambda *_: None, Told(), workers)
    assert failure.audio == "one"
    assert str(tmp_path / "file") in failure.reason
    assert (tmp_path / "two.txt").exists()


def test_a_process_that_is_ended_fails_its_recording_alone():
    def dying(audio, on_progress):
        if audio == "big":
            os.kill(os.getpid(), signal.SIGKILL)
        return heard(audio, on_progress)

    shown = []
    failures = run_jobs(list(map(Job, ("one", "big", "two"))), dying, lambda *a: shown.append(a), Told(), 2)
    assert [(one.audio, "ended by SIGKILL" in one.reason) for one in failures] == [("big", True)]
    assert [job.audio for job, _ in shown] == ["one", "two"]


def test_standard_input_is_not_shared(tmp_path):
    with pytest.raises(InputError, match="standard input"):
        run_jobs([Job("a"), Job("-")], heard, lambda *_: None, Told(), 2)


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 50), st.floats(0, 50) | st.none()), max_size=30
)


@given(stated=st.dictionaries(st.sampled_from("abc"), st.floats(0, 50)), steps=STEPS)
def test_progress_is_the_sum_of_what_was_heard(stated, steps):
    seen, done, whole = [], {}, dict(stated)
    progress = AudioProgress(stated, lambda *now: seen.append(now))
    for audio, seconds, total in steps:
        if total is None:
            progress.end(audio)
            whole[audio] = done.setdefault(audio, 0.0)
        else:
            progress.tell(audio, seconds, total)
            done[audio], whole[audio] = seconds, max(seconds, total)
        assert seen[-1] == (pytest.approx(sum(done.values())), pytest.approx(sum(whole.values())), audio)
        assert seen[-1][0] <= seen[-1][1] + 1e-6


class Terminal(io.StringIO):
    """Where a progress bar shows."""

    def isatty(self):
        return True


def test_a_progress_bar_leaves_standard_output_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    names = ["plain.wav", "[/b].wav"]  # the second would be faulty markup
    for name in names:
        write_wav(tmp_path / name, tones(0.5))
    output = sys.stdout
    with audio_progress(["missing.wav", "-", *names]) as progress:
        progress.tell("missing.wav", 0.1, 0.2)
        for name in names:
            progress.tell(name, 0.5, 0.5)
            assert sys.stdout is output
            print("said")
    assert capsys.readouterr().out == "said\nsaid\n"
    assert "[/b].wav (" in sys.stderr.getvalue()


@pytest.mark.parametrize("shown", [True, False])
def test_without_a_terminal_there_is_no_bar(shown, capsys):
    with audio_progress(["missing.wav"], shown) as progress:
        progress.tell("missing.wav", 1.0, 1.0)
        progress.end("missing.wav")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""

"""Manifests: what is written is what is read, and every fault is named by file and line."""

import json
from pathlib import Path

import pytest

from asr.manifest import ManifestError, Utterance, read_manifest

GOOD = {"audio_filepath": "clips/one.wav", "duration": 1.5, "text": "hello priya"}


def write(folder: Path, *lines: object) -> Path:
    path = folder / "set.jsonl"
    text = "\n".join(
        line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_fields_are_read_and_paths_start_at_the_manifests_folder(tmp_path, monkeypatch):
    full = GOOD | {"id": 7, "speaker": "ann", "source": "own", "entities": ["priya"], "category": "person"}
    elsewhere = tmp_path / "abs" / "two.flac"
    write(tmp_path, full, "", {"audio_filepath": str(elsewhere), "duration": 2, "text": "zoë\u2028"})
    monkeypatch.chdir(tmp_path)
    first, second = read_manifest("set.jsonl")
    audio = tmp_path / "clips" / "one.wav"
    assert first == Utterance("7", audio, 1.5, "hello priya", "ann", "own", ("priya",))
    assert second == Utterance("two", elsewhere, 2.0, "zoë\u2028")
    assert first.audio.is_absolute()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "JSON object"),
        ({"audio_filepath": "b.wav", "text": "x"}, "missing duration"),
        ({"duration": 1}, "missing audio_filepath, text"),
        (GOOD | {"audio_filepath": ""}, "audio_filepath is empty"),
        (GOOD | {"audio_filepath": "b.wav", "text": 3}, "text must be a string"),
        (GOOD | {"audio_filepath": "b.wav", "duration": "long"}, "duration must be a number"),
        (GOOD | {"audio_filepath": "b.wav", "duration": float("nan")}, "duration must be a number"),
        (GOOD | {"audio_filepath": "b.wav", "duration": -1}, "duration must be a number"),
        (GOOD | {"audio_filepath": "b.wav", "duration": 10**400}, "duration must be a number"),
        (GOOD | {"audio_filepath": "b.wav", "speaker": 3}, "speaker must be a string"),
        (GOOD | {"audio_filepath": "b.wav", "entities": "priya"}, "entities must be a list"),
        (GOOD | {"audio_filepath": "other/one.flac"}, "'one' was used on line 1"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path, line, words):
    path = write(tmp_path, GOOD, "", line)
    with pytest.raises(ManifestError, match=words) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 3: ")
    assert "\n" not in message


def test_missing_recordings_are_named_only_when_asked(tmp_path):
    path = write(tmp_path, GOOD)
    assert len(read_manifest(path)) == 1
    with pytest.raises(ManifestError, match=r"line 1: there is no recording .*one\.wav"):
        read_manifest(path, check_audio=True)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.wav").touch()
    assert len(read_manifest(path, check_audio=True)) == 1


def test_unusable_files_are_named(tmp_path):
    empty, binary = tmp_path / "empty.jsonl", tmp_path / "binary.jsonl"
    empty.write_text("\n\n")
    binary.write_bytes(b"\xff\xfe\x80\x81")
    for path, words in [(empty, "no utterances"), (binary, "not UTF-8"), (tmp_path, "cannot be read")]:
        with pytest.raises(ManifestError, match=words):
            read_manifest(path)
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path / "absent.jsonl")

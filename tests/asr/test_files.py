"""Written files are whole or absent."""

from pathlib import Path

import pytest

from asr.files import OutputError, write_text_atomic


def test_text_is_written_as_it_is_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "out.txt"
    for text in ("zoë\nline\r\n", "", "again"):
        write_text_atomic(path, text)
        assert path.read_bytes() == text.encode()
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def full(self, *args, **kwargs):
        with self.open("wb") as stream:
            stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"out\.txt: cannot be written \(No space left"):
        write_text_atomic(path, "new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"absent/out\.txt: cannot be written \(No such file"):
        write_text_atomic(tmp_path / "absent" / "out.txt", "text")

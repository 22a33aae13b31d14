"""The picture of the attention: its rows are the shares, and it is a file that opens."""

from pathlib import Path

import numpy as np
import pytest

from biasing.attention import LEAST_SHARE, MOST_ROWS, NO_BIAS, Attention, AttentionError, AttentionPart
from biasing.phrases import make_phrases
from biasing.report import report


def part(frames=20, phrases=5, seed=0, start=0.0):
    """Random shares that sum to one."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(phrases + 1, 0.3), frames).astype(np.float32)
    found = AttentionPart.of(shares[:, 0], shares[:, 1:], list(range(phrases)), 0.04)
    return found.shifted(start), shares


def test_rows_are_the_shares():
    first, shares = part()
    second, others = part(frames=7, seed=1, start=3.0)
    names = ("a", "b", "c", "d", "e")
    found, rows = Attention(names, (first, second)).rows()
    assert found == (NO_BIAS, *names)
    np.testing.assert_allclose(rows, np.concatenate((shares, others)).T, atol=LEAST_SHARE)


def test_phrases_that_get_nothing_are_not_remembered():
    shares = np.array([[0.999, 0.001, 0.0], [0.4, 0.0, 0.6]], np.float32)
    found = AttentionPart.of(shares[:, 0], shares[:, 1:], [17, 4], 0.04)
    assert found.entries == (4,)
    np.testing.assert_array_equal(found.shares, shares[:, [0, 2]])


def test_of_a_long_list_the_most_attended_are_drawn_in_its_order():
    count = 3 * MOST_ROWS
    rng = np.random.default_rng(2)
    shares = rng.random((4, count), dtype=np.float32)
    one = AttentionPart.of(np.zeros(4, np.float32), shares, list(range(count)), 0.04)
    names = tuple(f"{n:03d}" for n in range(count))
    found, _ = Attention(names, (one,)).rows()
    best = sorted(np.argsort(-shares.max(axis=0))[:MOST_ROWS].tolist())
    assert found == (NO_BIAS, *(names[n] for n in best))


def test_a_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    attention = Attention(
        ("ann", "bob", "cy", "di", "ed"), (part()[0], part(start=2.0)[0]), (("ann", 0.1, 0.4),)
    )
    phrases = make_phrases(["ann", "bob", "cy", "di", "ed"])
    figure = report(phrases, [], "", attention).plot(tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [NO_BIAS, "ann", "bob", "cy", "di", "ed"]


def test_a_picture_is_whole_or_absent(tmp_path, monkeypatch):
    figures = pytest.importorskip("matplotlib.figure")
    attention, out = Attention(tuple("abcde"), (part()[0],)), tmp_path / "out.png"
    out.write_text("old")

    def full(_figure, file, **_how):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(figures.Figure, "savefig", full)
        with pytest.raises(AttentionError, match=r"out\.png: cannot be written \(No space left"):
            attention.plot(out)
    assert (out.read_text(), list(tmp_path.iterdir())) == ("old", [out])
    attention.plot(out)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(AttentionError, match="cannot be written"):
        attention.plot(tmp_path / "out.nonsense")


def test_what_cannot_be_drawn_is_said(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(AttentionError, match="adapter"):
        report(make_phrases(["ann"]), []).plot()
    with pytest.raises(AttentionError, match="no frames"):
        Attention(("ann",), ()).plot()
    with pytest.raises(AttentionError, match="cannot be written"):
        Attention(tuple("abcde"), (part()[0],)).plot(tmp_path / "no" / "out.png")

"""Where the encoder looked: a recording's attention to the phrases of a list, as numbers and as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

NO_BIAS = "no bias"
LEAST_SHARE = 0.01
"""A phrase that gets no more of any frame is not remembered."""
MOST_ROWS = 40
"""Phrases that are drawn; of a longer list those that got most of a frame."""
INCHES_A_SECOND, INCHES_A_ROW = 1.2, 0.22


class AttentionError(ValueError):
    """An attention that cannot be drawn."""


@dataclass(frozen=True, eq=False)
class AttentionPart:
    """A stretch of a recording that was recognized at once.

    Attributes:
        start: seconds from the beginning of the recording to the first frame.
        frame_seconds: seconds from a frame to the next.
        entries: places in the list of the phrases that got more than `LEAST_SHARE` of a frame.
        shares: (T, 1 + len(entries)), of the no-bias entry and of these phrases.
    """

    start: float
    frame_seconds: float
    entries: tuple[int, ...]
    shares: Float32

    @classmethod
    def of(
        cls, no_bias: Float32, shares: Float32, entries: Sequence[int], frame_seconds: float
    ) -> AttentionPart:
        """What is worth remembering of the shares of the no-bias entry `(T,)` and of `entries` `(T, P)`."""
        kept = np.flatnonzero(shares.max(axis=0, initial=0.0) > LEAST_SHARE).tolist()
        both = np.concatenate((no_bias[:, None], shares[:, kept]), axis=1)
        return cls(0.0, frame_seconds, tuple(entries[place] for place in kept), both)

    def shifted(self, seconds: float) -> AttentionPart:
        """The same, `seconds` later."""
        return replace(self, start=self.start + seconds)


@dataclass(frozen=True, eq=False)
class Attention:
    """A whole recording.

    Attributes:
        phrases: display forms of the list.
        parts: stretches in the order of time.
        words: what was recognized: (text, start, end), in seconds.
    """

    phrases: tuple[str, ...]
    parts: tuple[AttentionPart, ...]
    words: tuple[tuple[str, float, float], ...] = ()

    def rows(self) -> tuple[tuple[str, ...], Float32]:
        """Names and the shares `(rows, frames)` of all parts side by side: no bias, then phrases of the list.

        Of more than `MOST_ROWS` phrases only those that got most of a frame, in the order of the list.
        """
        best = np.zeros(len(self.phrases), np.float32)
        for part in self.parts:
            places = np.asarray(part.entries, np.int64)
            best[places] = np.maximum(best[places], part.shares[:, 1:].max(axis=0, initial=0.0))
        drawn = sorted(np.argsort(-best, kind="stable")[:MOST_ROWS].tolist())
        row_of = {entry: row for row, entry in enumerate(drawn, start=1)}
        columns = []
        for part in self.parts:
            picture = np.zeros((1 + len(drawn), len(part.shares)), np.float32)
            picture[0] = part.shares[:, 0]
            for column, entry in enumerate(part.entries, start=1):
                if entry in row_of:
                    picture[row_of[entry]] = part.shares[:, column]
            columns.append(picture)
        return (NO_BIAS, *(self.phrases[entry] for entry in drawn)), np.concatenate(columns, axis=1)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw shares over time, a row for each phrase, and the words below; returns matplotlib's figure.

        Raises:
            AttentionError: nothing was heard, or the picture cannot be written.
            ModuleNotFoundError: matplotlib is not installed.
        """
        if not any(len(part.shares) for part in self.parts):
            raise AttentionError("the recording has no frames to draw the attention of")
        from matplotlib.figure import Figure

        names, _ = self.rows()
        seconds = sum(len(part.shares) * part.frame_seconds for part in self.parts)
        longest = max(map(len, names)) / 8
        width = min(max(INCHES_A_SECOND * seconds, 6.0), 60.0) + 2.0 + longest
        figure = Figure(figsize=(width, INCHES_A_ROW * len(names) + 2.8), layout="constrained")
        axes = figure.subplots()
        self._draw(axes, names)
        figure.colorbar(axes.images[0], ax=axes, label="share of the frame", pad=0.01)
        if path is not None:
            _save(figure, Path(path))
        return figure

    def _draw(self, axes: Any, names: Sequence[str]) -> None:
        _, shares = self.rows()
        at = 0
        for part in self.parts:
            frames = len(part.shares)
            end = part.start + frames * part.frame_seconds
            box = (part.start, end, len(names) - 0.5, -0.5)
            piece = shares[:, at : at + frames]
            axes.imshow(
                piece, extent=box, aspect="auto", vmin=0, vmax=1, cmap="viridis", interpolation="nearest"
            )
            at += frames
        axes.set_xlim(self.parts[0].start, end)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("seconds")
        above = axes.secondary_xaxis("top")
        above.set_xticks(
            [(start + stop) / 2 for _, start, stop in self.words],
            [text for text, _, _ in self.words],
            rotation=60,
            ha="left",
        )
        for _, start, stop in self.words:
            axes.axvline(start, color="white", linewidth=0.4, alpha=0.6)
            axes.axvline(stop, color="white", linewidth=0.4, alpha=0.6)


def _save(figure: Any, path: Path) -> None:
    """Write the picture under another name first, so that there is never half of one under its own."""
    try:
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            figure.savefig(partial, dpi=110, format=path.suffix[1:] or "png")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AttentionError(f"{path}: cannot be written ({reason}); give a file such as out.png") from error

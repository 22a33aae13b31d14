"""The training curve as a picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from asr.training.config import ConfigError


@dataclass(frozen=True)
class Panel:
    """One of the pictures beside each other."""

    columns: tuple[str, ...]
    """Columns of the log, a line each; rows where one is empty are left out of its line."""
    label: str
    """What the vertical axis shows."""
    logarithmic: bool = False
    scale: float = 1.0
    """Factor on the values."""


RECOGNIZER_PANELS = (
    Panel(("final", "intermediate", "phone"), "CTC loss, nats an utterance", logarithmic=True),
    Panel(("dev_wer", "dev_per"), "% of words and phones wrong on dev, greedy", scale=100),
)


def plot_curves(log: Path, out: Path, panels: tuple[Panel, ...] = RECOGNIZER_PANELS) -> None:
    """Draw columns of a training log against hours of audio seen.

    Raises:
        ConfigError: matplotlib is not installed, or the log has no rows.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise ConfigError("drawing curves needs matplotlib; pip install 'onoma[train]'") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with log.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows:
        raise ConfigError(f"{log}: no rows to draw; train first")
    figure, pictures = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4))
    for axes, panel in zip(pictures, panels, strict=True):
        for name in panel.columns:
            points = [(float(row["hours"]), panel.scale * float(row[name])) for row in rows if row[name]]
            axes.plot(*zip(*points, strict=True) if points else ((), ()), label=name)
        axes.set(xlabel="hours of audio seen", ylabel=panel.label)
        if panel.logarithmic:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)

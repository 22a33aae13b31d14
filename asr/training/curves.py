"""The training curve as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

from asr.training.config import ConfigError


def plot_curves(log: Path, out: Path) -> None:
    """Draw loss and dev error rates of a training log against hours of audio seen.

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
    figure, (losses, errors) = plt.subplots(1, 2, figsize=(11, 4))
    hours = [float(row["hours"]) for row in rows]
    for name in ("final", "intermediate", "phone"):
        losses.plot(hours, [float(row[name]) for row in rows], label=f"{name} CTC")
    losses.set(xlabel="hours of audio seen", ylabel="loss, nats an utterance", yscale="log")
    scored = [row for row in rows if row["dev_wer"]]
    for column, label in (("dev_wer", "word error rate, greedy"), ("dev_per", "phone error rate, greedy")):
        errors.plot(
            [float(r["hours"]) for r in scored], [100 * float(r[column]) for r in scored], "o-", label=label
        )
    errors.set(xlabel="hours of audio seen", ylabel="% on dev", ylim=(0, 100))
    for axes in (losses, errors):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)

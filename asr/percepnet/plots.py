"""Pictures of what the denoiser did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.percepnet.bands import Format
from asr.percepnet.denoiser import Denoiser

Samples = NDArray[np.float32]

VOICED = 0.4
"""Correlation above which the pitch is drawn."""
RANGE_DB = 80.0


def plot_denoised(denoiser: Denoiser, noisy: Samples, clean: Samples, file: Path) -> None:
    """Draw spectrograms before and after, the pitch track, gains and comb strengths `(bands, frames)`.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    form, trace = denoiser.form, denoiser.trace_of(noisy)
    figure, (before, after, gains, strengths) = plt.subplots(4, 1, figsize=(12, 12), sharex=True)
    highest = _spectrogram(form, noisy).max()
    for axes, samples, title in ((before, noisy, "before"), (after, clean, "after")):
        spectrum = _spectrogram(form, samples)
        extent = (0.0, len(spectrum) / 100, 0.0, form.sample_rate / 2000)
        axes.imshow(
            spectrum.T,
            "magma",
            aspect="auto",
            origin="lower",
            extent=extent,
            vmin=highest - RANGE_DB,
            vmax=highest,
        )
        axes.set(title=title, ylabel="kHz")
    frames = np.arange(len(trace.pitch))
    voiced = trace.pitch[:, 1] > VOICED
    kilohertz = form.sample_rate / 1000 / trace.pitch[voiced, 0]
    before.plot(frames[voiced] / 100, kilohertz, ".", color="cyan", markersize=2, label="pitch")
    before.legend(loc="upper right")
    for axes, values, title in ((gains, trace.gains, "gain"), (strengths, trace.strengths, "comb strength")):
        extent = (0.0, len(values) / 100, -0.5, form.bands - 0.5)
        axes.imshow(values.T, "viridis", aspect="auto", origin="lower", extent=extent, vmin=0, vmax=1)
        axes.set(title=f"{title}, 0 (dark) to 1", ylabel="band")
    strengths.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _spectrogram(form: Format, samples: Samples) -> NDArray[np.float64]:
    """Power in dB `(frames, hop + 1)`, frame `l` centred on sample `l * hop`."""
    padded = np.pad(samples.astype(np.float64), (form.hop, 2 * form.hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * form.hop)[:: form.hop]
    return np.asarray(10 * np.log10(np.abs(np.fft.rfft(frames * form.window)) ** 2 + 1e-10))

"""The Fourier transform of a real frame in compiled code: no call into Python, no allocation.

Stockham's autosort algorithm with mixed radices on half the length; real and imaginary parts apart, so that
the inner loops are vectorised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.compiled import compiled_part

Float64 = NDArray[np.float64]
Complex128 = NDArray[np.complex128]
Int64 = NDArray[np.int64]


class Fourier(NamedTuple):
    """Tables for frames of one length `N`, and room to work in; not to be shared between threads."""

    radices: Int64
    """Factors of N / 2: 2, 3, 4 and 5."""
    cosine: Float64
    """`cos(2 pi k / (N / 2))`, `(N / 2,)`."""
    sine: Float64
    cosine_real: Float64
    """`cos(2 pi k / N)`, `(N / 2 + 1,)`."""
    sine_real: Float64


def make_fourier(length: int) -> Fourier:
    """Tables for real frames of `length` samples, an even number with factors 2, 3 and 5."""
    half = length // 2
    radices, rest = [], half
    for radix in (5, 3, 4, 2):
        while rest % radix == 0:
            radices.append(radix)
            rest //= radix
    if rest != 1 or length % 2:
        raise ValueError(f"frames of {length} samples; needed is an even number of factors 2, 3 and 5")
    angle, angle_real = 2 * np.pi * np.arange(half) / half, 2 * np.pi * np.arange(half + 1) / length
    return Fourier(
        np.array(radices, np.int64), np.cos(angle), np.sin(angle), np.cos(angle_real), np.sin(angle_real)
    )


@compiled_part
def _transform(tables: Fourier, work: Float64) -> int:
    """Forward transform of `work[0] + i work[1]`, `(4, N / 2)`; returns the row where the result begins."""
    half = work.shape[1]
    source, target = 0, 2
    stride, length = 1, half
    for radix in tables.radices:
        part = length // radix
        for j in range(part):
            for r in range(radix):
                out = stride * (radix * j + r)
                for q in range(radix):
                    # One twiddle for the butterfly (q r / radix) and the stage (j r / length).
                    turn = (q * r * (half // radix) + j * r * stride) % half
                    c, s = tables.cosine[turn], -tables.sine[turn]
                    begin = stride * (j + part * q)
                    for k in range(stride):
                        real, imaginary = work[source, begin + k], work[source + 1, begin + k]
                        if q == 0:
                            work[target, out + k] = real * c - imaginary * s
                            work[target + 1, out + k] = real * s + imaginary * c
                        else:
                            work[target, out + k] += real * c - imaginary * s
                            work[target + 1, out + k] += real * s + imaginary * c
        source, target = target, source
        stride *= radix
        length = part
    return source


@compiled_part
def rfft(tables: Fourier, frame: Float64, work: Float64, out: Complex128) -> None:
    """The `(N / 2 + 1,)` spectrum of a real frame `(N,)`, as `numpy.fft.rfft`; `work` is `(4, N / 2)`."""
    half = work.shape[1]
    for k in range(half):
        work[0, k] = frame[2 * k]
        work[1, k] = frame[2 * k + 1]
    row = _transform(tables, work)
    for k in range(half + 1):
        a, b = k % half, (half - k) % half
        even_real = 0.5 * (work[row, a] + work[row, b])
        even_imaginary = 0.5 * (work[row + 1, a] - work[row + 1, b])
        odd_real = 0.5 * (work[row + 1, a] + work[row + 1, b])
        odd_imaginary = -0.5 * (work[row, a] - work[row, b])
        c, s = tables.cosine_real[k], -tables.sine_real[k]
        out[k] = complex(
            even_real + odd_real * c - odd_imaginary * s, even_imaginary + odd_real * s + odd_imaginary * c
        )


@compiled_part
def irfft(tables: Fourier, spectrum: Complex128, work: Float64, out: Float64) -> None:
    """The real frame `(N,)` of a spectrum `(N / 2 + 1,)`, as `numpy.fft.irfft`; `work` is `(4, N / 2)`."""
    half = work.shape[1]
    for k in range(half):
        a, b = spectrum[k], spectrum[half - k]
        if k == 0:
            a, b = complex(a.real, 0.0), complex(b.real, 0.0)
        even_real, even_imaginary = 0.5 * (a.real + b.real), 0.5 * (a.imag - b.imag)
        odd_real, odd_imaginary = 0.5 * (a.real - b.real), 0.5 * (a.imag + b.imag)
        c, s = tables.cosine_real[k], tables.sine_real[k]
        # The inverse is the forward transform of the conjugate, conjugated.
        work[0, k] = even_real - (odd_real * s + odd_imaginary * c)
        work[1, k] = -(even_imaginary + odd_real * c - odd_imaginary * s)
    row = _transform(tables, work)
    for k in range(half):
        out[2 * k] = work[row, k] / half
        out[2 * k + 1] = -work[row + 1, k] / half

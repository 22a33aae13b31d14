"""Scores on the dev set: independent of batches, and those of what was heard."""

import jiwer
import pytest

from asr.decoding import DecodingOptions
from asr.recognizer import Recognizer
from asr.training.cache import AudioCache
from asr.training.config import ConfigError
from asr.training.curves import plot_curves
from asr.training.data import Example
from asr.training.evaluate import DevSet, evaluate


def test_scores_are_those_of_the_greedy_recognizer(model_folder, corpus, tmp_path):
    recognizer = Recognizer.from_pretrained(model_folder)
    files = sorted(corpus.glob("clips/*.wav"))[:5]
    heard = [recognizer.transcribe(file, options=DecodingOptions(greedy=True)).text for file in files]
    texts = [f"{text} lo" if number % 2 else text for number, text in enumerate(heard)]
    examples = [
        Example(file, 1.0, text, (1,), (1, 2) if number else (), 1.0)
        for number, (file, text) in enumerate(zip(files, texts, strict=True))
    ]
    cache = AudioCache.build(files, tmp_path)
    scores = [
        evaluate(recognizer.model, DevSet(examples, cache, recognizer.tokenizer, seconds))
        for seconds in (0.1, 2.5, 99.0)
    ]
    recognizer.model.eval()
    assert all(heard)
    assert scores[0] == scores[1] == scores[2]
    assert scores[0].wer > 0
    assert scores[0].wer == pytest.approx(jiwer.wer(texts, heard))
    assert scores[0].sample == heard[0]
    assert scores[0].phone_error_rate > 0


def test_curves_are_drawn(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("hours,final,intermediate,phone,dev_wer,dev_per\n")
    with pytest.raises(ConfigError, match="no rows"):
        plot_curves(log, tmp_path / "curves.png")
    log.write_text(log.read_text() + "0.1,9,8,7,,\n0.2,5,4,3,0.5,0.6\n")
    plot_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

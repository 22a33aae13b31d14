"""Fits the word confidences of a model on dev, and draws how reliable they are there and on a test set.

python -m recipes.base.calibrate MODEL [--data ../shared/data] [--plot reliability.png]
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

from asr.calibration import Calibration, expected_calibration_error, fit_calibration, reliability
from asr.decoding import Decoder, DecodingOptions, save_decoding_options
from asr.recognizer import Recognizer, model_folder
from biasing.alignment import align
from recipes.base.measure import Heard, hear

Labelled = tuple[list[float], list[bool]]


def labelled_words(heard: Heard, decoder: Decoder) -> Labelled:
    """Confidence of every word heard, and whether it is right: aligned with its like in the reference."""
    confidences: list[float] = []
    right: list[bool] = []
    for utterance, acoustics in zip(heard.utterances, heard.acoustics, strict=True):
        words = decoder.decode(acoustics.log_probs, acoustics.phones)
        said, texts = utterance.text.split(), [word.text for word in words]
        confidences += [word.confidence for word in words]
        right += [
            ref is not None and said[ref] == texts[hyp] for ref, hyp in align(said, texts) if hyp is not None
        ]
    return confidences, right


def cross_fitted(words: Labelled, folds: int = 5) -> list[float]:
    """Every word's confidence under the map fitted to the other folds, consecutive words being one fold."""
    confidences, right = words
    bounds = [len(right) * fold // folds for fold in range(folds + 1)]
    found: list[float] = []
    for start, end in itertools.pairwise(bounds):
        rest = fit_calibration(confidences[:start] + confidences[end:], right[:start] + right[end:])
        found += [rest(one) for one in confidences[start:end]]
    return found


def plot(rows: dict[str, Labelled], file: Path) -> None:
    """Reliability diagram: share of right words over confidence."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.5))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, words in rows.items():
        bins = reliability(*words)
        axes.plot([one.confidence for one in bins], [one.right for one in bins], marker="o", label=name)
    axes.set(xlabel="confidence", ylabel="share of right words", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(file, bbox_inches="tight", dpi=110)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="name of a shipped model, or a model folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--plot", type=Path, help="PNG file for the reliability diagram")
    args = parser.parse_args()
    recognizer = Recognizer.from_pretrained(args.model)
    bare = replace(recognizer.options, confidence_slope=1.0, confidence_shift=0.0)
    dev = labelled_words(hear(recognizer, "dev", args.data), recognizer.decoder(bare))
    found = fit_calibration(*dev)
    error = 100 * expected_calibration_error(*dev)
    print(f"dev, {len(dev[0])} words: calibration error {error:.1f} % as it comes")
    crossed = cross_fitted(dev), dev[1]
    print(
        f"  {100 * expected_calibration_error(*crossed):.1f} % with {found}, fitted to the other four fifths"
    )
    test_name = "test-dev8"
    options = save_calibration(bare, found, model_folder(args.model))
    test = labelled_words(hear(recognizer, test_name, args.data), recognizer.decoder(options))
    print(f"{test_name}, {len(test[0])} words: {100 * expected_calibration_error(*test):.1f} % with it")
    if args.plot:
        plot({"dev, before": dev, "dev, cross-fitted": crossed, test_name: test}, args.plot)


def save_calibration(options: DecodingOptions, found: Calibration, folder: Path) -> DecodingOptions:
    """The options with the map, as they were written into the model folder."""
    calibrated = replace(
        options, confidence_slope=round(found.slope, 4), confidence_shift=round(found.shift, 4)
    )
    save_decoding_options(calibrated, folder)
    return calibrated


if __name__ == "__main__":
    main()

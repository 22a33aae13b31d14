"""Trains language models of several sizes and prints what each costs and how well it fits dev.

python recipes/lm/choose.py [DATA]      DATA holds text/ and speech/, ../shared/data by default
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import kenlm

from lm.binary import BinaryOptions
from lm.estimate import EstimateOptions, EstimateReport, train

TEXTS = ("text/books.txt.xz", "text/librispeech_train_clean_100.txt.xz")
DEV = "speech/dev.jsonl"

BOOKS, LIBRISPEECH, BOTH = (0,), (1,), (0, 1)
CHOICES = (
    (LIBRISPEECH, EstimateOptions(min_word_count=2)),
    (BOOKS, EstimateOptions(min_word_count=2)),
    (BOTH, EstimateOptions(min_word_count=2)),
    (BOTH, EstimateOptions(min_word_count=2, weights=(1, 3))),
    (BOTH, EstimateOptions(min_word_count=1, prune=(0,))),
    (BOTH, EstimateOptions(min_word_count=2, order=3, prune=(0,))),
    (BOTH, EstimateOptions(min_word_count=2, order=3, prune=(0, 0, 1))),
    (BOTH, EstimateOptions(min_word_count=3, order=3, prune=(0, 1, 1))),
    (BOTH, EstimateOptions(min_word_count=2, prune=(0, 1, 1, 1))),
    (BOTH, EstimateOptions(min_word_count=1, prune=(0, 1, 1, 1))),
    (BOTH, EstimateOptions(min_word_count=3)),
    (BOTH, EstimateOptions(min_word_count=2, binary=BinaryOptions(8, 8))),
    (BOTH, EstimateOptions(min_word_count=2, binary=BinaryOptions(6, 6))),
)


def fit(model: Path, transcripts: Sequence[str]) -> tuple[float, float, float]:
    """Perplexity, ends of sentences included; the same without unknown words; percentage of unknown words."""
    config = kenlm.Config()
    config.show_progress = False
    loaded = kenlm.Model(str(model), config)
    scores = [(log10, unknown) for text in transcripts for log10, _, unknown in loaded.full_scores(text)]
    known = [log10 for log10, unknown in scores if not unknown]
    words = sum(len(text.split()) for text in transcripts)
    everything = sum(log10 for log10, _ in scores)
    unknown_percent = 100 * (len(scores) - len(known)) / words
    return 10 ** (-everything / len(scores)), 10 ** (-sum(known) / len(known)), unknown_percent


def row(texts: Sequence[int], options: EstimateOptions, report: EstimateReport, fits: Sequence[float]) -> str:
    name = " + ".join(("books", "librispeech")[text] for text in texts)
    if options.weights:
        name += f" x {options.weights[-1]}"
    cells = [
        name,
        str(options.order),
        ",".join(map(str, options.prune)),
        str(options.min_word_count),
        f"{options.binary.prob_bits}, {options.binary.backoff_bits}",
        " ".join(f"{count / 1000:.0f}" for count in report.ngrams),
        f"{report.bytes / 1e6:.1f}",
        *[f"{fits[0]:.1f}", f"{fits[1]:.1f}", f"{fits[2]:.2f}"],
        f"{report.seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    missing = [name for name in (*TEXTS, DEV) if not (data / name).is_file()]
    if missing:
        sys.exit(f"{data}: lacks {', '.join(missing)}; name the data folder")
    transcripts = [json.loads(line)["text"] for line in (data / DEV).read_text().splitlines()]
    print(
        "| text | order | prune | words seen | bits | thousand n-grams | MB | ppl | ppl known | OOV % | s |"
    )
    print("|" + " --- |" * 11)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "lm.bin"
        for texts, options in CHOICES:
            report = train([data / TEXTS[text] for text in texts], model, options)
            print(row(texts, options, report, fit(model, transcripts)), flush=True)


if __name__ == "__main__":
    main()

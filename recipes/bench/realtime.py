"""How fast a model transcribes: load, first transcript, then audio seconds per second with its parts.

python -m recipes.bench.realtime [MODEL] [--data ../shared/data] [--seconds 300] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr.manifest import Utterance
    from asr.recognizer import Recognizer


class Stopwatch:
    """Wall and processor seconds of named parts."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what runs inside."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.rows.append((name, time.perf_counter() - wall, time.process_time() - processor))


def measure(model: str, data: Path, seconds: float, threads: int) -> None:
    """Print a table of the parts."""
    watch = Stopwatch()
    with watch.part("import"):
        import torch

        from asr.manifest import read_manifest
        from asr.recognizer import Recognizer
    torch.set_num_threads(threads)
    with watch.part("load model"):
        recognizer = Recognizer.from_pretrained(model)
    utterances = read_manifest(data / "speech" / "dev.jsonl")
    with watch.part("first transcript"):
        recognizer.transcribe(utterances[0].audio)
    chosen, heard = [], 0.0
    for utterance in utterances:
        if heard < seconds:
            chosen.append(utterance)
            heard += utterance.duration
    with watch.part("transcribe, beam and LM"):
        for _ in recognizer.transcribe_many(utterance.audio for utterance in chosen):
            pass
    with watch.part("transcribe, greedy"):
        greedy = replace(recognizer.options, greedy=True)
        for _ in recognizer.transcribe_many((utterance.audio for utterance in chosen), options=greedy):
            pass
    _search_share(recognizer, chosen, watch)
    print(
        f"{len(chosen)} files of dev, {heard:.0f} s of audio, {threads} threads, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print("| part | wall s | CPU s | x real time | CPU ms per s of audio |\n| --- | --- | --- | --- | --- |")
    for name, wall, processor in watch.rows:
        whole = name not in {"import", "load model", "first transcript"}
        speed = f"{heard / wall:.0f} | {1000 * processor / heard:.2f}" if whole else "- | -"
        print(f"| {name} | {wall:.2f} | {processor:.2f} | {speed} |")
    ours = {name: processor for name, _, processor in watch.rows}
    share = ours["search alone"] / ours["encoder alone, one thread"]
    print(f"search / encoder: {100 * share:.0f} % of CPU time")


def _search_share(recognizer: Recognizer, chosen: list[Utterance], watch: Stopwatch) -> None:
    import torch

    from asr.audio import read_audio

    audio = [read_audio(utterance.audio) for utterance in chosen]
    torch.set_num_threads(1)
    with watch.part("encoder alone, one thread"):
        acoustics = [recognizer.acoustics([one])[0] for one in audio]
    decoder = recognizer.decoder(recognizer.options)
    with watch.part("search alone"):
        for one in acoustics:
            decoder.decode(one.log_probs, one.phones)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="base-en", help="model folder or shipped name")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--seconds", type=float, default=300.0, help="audio to transcribe")
    parser.add_argument("--threads", type=int, default=2, help="threads of the encoder")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data}: no such data folder; give --data FOLDER")
    measure(arguments.model, arguments.data, arguments.seconds, arguments.threads)


if __name__ == "__main__":
    main()

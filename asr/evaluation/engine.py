"""Recognizing everything: acoustics once for each recording, then a search for each technique and list."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path

from asr.audio import AudioError
from asr.evaluation.acoustics import AcousticStore, Heard
from asr.evaluation.material import Condition, Material
from asr.evaluation.techniques import Technique
from asr.files import OutputError
from asr.scoring import normalize
from biasing.phrases import PhraseList

log = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Told how many steps are done."""


@dataclass(frozen=True)
class Hypothesis:
    """What one technique recognized in one utterance.

    Attributes:
        words: after `normalize`, with the confidence of each.
        seconds: processor time of the search, the preparation of its list included.
    """

    words: tuple[tuple[str, float], ...]
    seconds: float

    @property
    def text(self) -> str:
        """The words, with a space between them."""
        return " ".join(word for word, _ in self.words)


class TextStore:
    """Hypotheses of earlier runs, a JSON line each, appended as they come: a killed run loses one at most."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @contextmanager
    def of(self, technique: Technique, decoding: str) -> Iterator[tuple[dict[str, Hypothesis], Recorder]]:
        """Yield what is known of a technique, and a function that adds to it.

        `decoding` identifies what the technique decodes with, such as the language model.
        """
        settings = f"{technique.name} {technique.settings} {decoding}"
        digest = hashlib.sha256(settings.encode()).hexdigest()
        file = self._folder / f"{technique.name}-{digest[:16]}.jsonl"
        known = dict(_read(file))
        try:
            with file.open("a", encoding="utf-8") as stream:
                if stream.tell() and not _ends_with_newline(file):
                    stream.write("\n")

                def record(key: str, found: Hypothesis) -> None:
                    known[key] = found
                    line = {"key": key, "words": found.words, "seconds": found.seconds}
                    stream.write(json.dumps(line) + "\n")
                    stream.flush()

                yield known, record
        except OSError as error:
            raise OutputError(f"{file}: cannot be written ({error.strerror or error})") from error


Recorder = Callable[[str, Hypothesis], None]


def _read(file: Path) -> Iterator[tuple[str, Hypothesis]]:
    """Yield what the lines hold; one that was cut off is passed over and done again."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            fields = json.loads(line)
            words = tuple((str(word), float(confidence)) for word, confidence in fields["words"])
            yield str(fields["key"]), Hypothesis(words, float(fields["seconds"]))
        except (ValueError, KeyError, TypeError):
            continue


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, 2)
        return stream.read(1) == b"\n"


@dataclass(frozen=True)
class Recognized:
    """All hypotheses: {(technique, condition, whether the phrases are absent): {id: hypothesis}}."""

    hypotheses: Mapping[tuple[str, str, bool], Mapping[str, Hypothesis]]

    def of(self, technique: str, condition: str, absent: bool = False) -> Mapping[str, Hypothesis]:
        """Return one technique under one condition."""
        return self.hypotheses[technique, condition, absent]


def hear_all(
    material: Material, store: AcousticStore, advance: Advance
) -> tuple[dict[str, str], dict[str, str]]:
    """Compute the log-probs of every utterance that are not kept; returns their keys, and why some failed."""
    keys, failed = {}, {}
    for number, (name, one) in enumerate(material.utterances.items(), start=1):
        try:
            keys[name] = store.hear(one.audio).key
        except (AudioError, OSError) as error:
            if isinstance(error, OutputError):
                raise
            log.error("%s", error)
            failed[name] = f"{one.where}: {error}"
        advance(number)
    return keys, failed


def search_all(
    material: Material,
    techniques: Sequence[Technique],
    store: AcousticStore,
    texts: tuple[TextStore, str],
    advance: Advance,
    keys: Mapping[str, str],
) -> Recognized:
    """Search every utterance with every technique under every condition.

    Args:
        texts: where hypotheses are kept, and what identifies the files that decoding needs.
        advance: told how many of `count_searches` are done.
        keys: of the recordings, as `hear_all` gives them.
    """
    found: dict[tuple[str, str, bool], dict[str, Hypothesis]] = {
        (technique.name, condition.name, absent): {}
        for absent, condition in _conditions(material)
        for technique in techniques
    }
    done = 0
    with ExitStack() as stack:
        kept = [(one, *stack.enter_context(texts[0].of(one, texts[1]))) for one in techniques]
        for absent, condition in _conditions(material):
            # A list that all share stays prepared while one technique after the other uses it; of lists that
            # change with every utterance, each is made once for all techniques.
            groups = [[one] for one in kept] if condition.is_shared else [kept]
            for group, (name, given) in product(groups, condition.given.items()):
                key = hashlib.sha256(f"{keys[name]} {given.digest}".encode()).hexdigest()
                missing = [(one, record) for one, known, record in group if key not in known]
                if missing:
                    heard = store.hear(material.utterances[name].audio)
                    phrases = given.phrases()
                    for one, record in missing:
                        record(key, _search(one, heard, phrases))
                for one, known, _ in group:
                    found[one.name, condition.name, absent][name] = known[key]
                done += len(group)
                advance(done)
    return Recognized(found)


def count_searches(material: Material, techniques: Sequence[Technique]) -> int:
    """How many searches `search_all` makes at most."""
    return len(techniques) * sum(len(condition.given) for _, condition in _conditions(material))


def _conditions(material: Material) -> Iterable[tuple[bool, Condition]]:
    return chain(
        ((False, one) for one in material.conditions), ((True, one) for one in material.absent.values())
    )


def _search(technique: Technique, heard: Heard, phrases: PhraseList) -> Hypothesis:
    began = time.process_time()
    spoken = [word for part in heard.segments for word in technique.decode(part, phrases)]
    seconds = round(time.process_time() - began, 6)
    words = ((plain, round(one.confidence, 4)) for one in spoken for plain in normalize(one.text).split())
    return Hypothesis(tuple(words), seconds)

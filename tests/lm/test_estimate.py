"""Estimation: equal to a reference that follows the definition word by word, to lmplz, and a distribution."""

import json
import math
import random
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from lm.arpa import arpa_lines
from lm.counts import encode
from lm.estimate import EstimateError, EstimateOptions, estimate, train
from lm.kneser_ney import FALLBACK_DISCOUNTS, BackoffModel, discounts
from lm.text import TextError

LMPLZ_TABLE = Path(__file__).with_name("lmplz_table.json")


def random_text(seed, lines=120, size=12):
    """Sentences of a small vocabulary in which some words like to follow others."""
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(size)]
    sentences = []
    for _ in range(lines):
        sentence = [rng.choice(words)]
        for _ in range(rng.randint(0, 8)):
            near = words.index(sentence[-1])
            sentence.append(words[min(size - 1, int(abs(rng.gauss(near, 2))))])
        sentences.append(" ".join(sentence))
    return sentences


def model_of(sentences, options, weight=1, unknown=()):
    corpus = encode([(sentences, weight)])
    return estimate(corpus, options, np.array([word not in unknown for word in corpus.words]))


def as_dict(model: BackoffModel):
    """{n-gram: (log10 probability, log10 backoff)}."""
    rows, table = [()], {}
    for level in model.levels:
        rows = [(*rows[c], model.words[w]) for c, w in zip(level.context, level.word, strict=True)]
        table |= dict(zip(rows, zip(level.log10_prob, level.log10_backoff, strict=True), strict=True))
    return table


def parse(lines):
    table = {}
    for line in lines:
        prob, *rest = line.rstrip("\n").split("\t")
        if rest:
            table[tuple(rest[0].split(" "))] = (float(prob), float(rest[1]) if len(rest) > 1 else 0.0)
    return table


class Reference:
    """Modified Kneser-Ney from the definition, with dictionaries and recursion."""

    def __init__(self, sentences, order, thresholds, unknown=()):
        self.order, self.unknown = order, set(unknown)
        self.raw = Counter()
        for sentence in sentences:
            words = ["<s>", *sentence.split(), "</s>"]
            for end in range(1, len(words)):
                for begin in range(max(0, end - order + 1), end + 1):
                    self.raw[tuple(words[begin : end + 1])] += 1
        left = defaultdict(set)
        for gram in self.raw:
            left[gram[1:]].add(gram[0])
        self.adjusted = {
            gram: count if len(gram) == order or gram[0] == "<s>" else len(left[gram])
            for gram, count in self.raw.items()
        }
        self.kept = {
            gram
            for gram, count in self.raw.items()
            if count > thresholds[len(gram) - 1] and not self.unknown & set(gram)
        }
        self.taken = [self._discounts(n) for n in range(1, order + 1)]
        self.vocabulary = {gram[0] for gram in self.kept if len(gram) == 1} | {"<unk>"}

    def _discounts(self, n):
        seen = Counter(count for gram, count in self.adjusted.items() if len(gram) == n)
        try:
            scale = seen[1] / (seen[1] + 2 * seen[2])
            found = [k - (k + 1) * scale * seen[k + 1] / seen[k] for k in (1, 2, 3)]
        except ZeroDivisionError:
            return FALLBACK_DISCOUNTS
        fine = all(0 <= amount <= k for k, amount in enumerate(found, start=1))
        return found if fine else FALLBACK_DISCOUNTS

    def children(self, context):
        return [gram for gram in self.adjusted if gram[:-1] == context]

    def discount(self, gram):
        return self.taken[len(gram) - 1][min(self.adjusted[gram], 3) - 1]

    def backoff(self, context):
        children = self.children(context)
        if not children or len(context) == self.order:
            return 1.0
        total = sum(self.adjusted[gram] for gram in children)
        return sum(self.discount(g) if g in self.kept else self.adjusted[g] for g in children) / total

    def prob(self, gram):
        if gram == ("<s>",):
            return 1.0
        lower = self.prob(gram[1:]) if len(gram) > 1 else 1 / len(self.vocabulary)
        total = sum(self.adjusted[other] for other in self.children(gram[:-1]))
        own = self.adjusted[gram] - self.discount(gram) if gram in self.adjusted else 0.0
        return own / total + self.backoff(gram[:-1]) * lower


@pytest.mark.parametrize(
    ("order", "prune", "unknown"),
    [
        (2, (0,), ()),
        (3, (0, 0, 1), ()),
        (4, (0,), ()),
        (4, (0, 1, 1, 2), ()),
        (3, (0, 0, 1), ("w3", "w7")),
        (5, (0, 0, 0, 1), ("w0",)),
    ],
)
def test_equals_the_definition(order, prune, unknown):
    sentences = random_text(seed=order + len(unknown), lines=60, size=8)
    found = as_dict(model_of(sentences, EstimateOptions(order=order, prune=prune), unknown=unknown))
    thresholds = [*prune, *[prune[-1]] * (order - len(prune))]
    reference = Reference(sentences, order, thresholds, unknown)
    assert found.keys() == reference.kept | {("<unk>",), ("<s>",)}
    for gram, (prob, backoff) in found.items():
        assert prob == pytest.approx(math.log10(reference.prob(gram)), abs=1e-6)
        assert backoff == pytest.approx(math.log10(reference.backoff(gram)), abs=1e-6)


@pytest.mark.parametrize("prune", [(0,), (0, 0, 1), (0, 1, 2, 2)])
def test_probabilities_sum_to_one_in_any_context(prune):
    model = model_of(random_text(seed=9), EstimateOptions(prune=prune), unknown=("w5",))
    table = as_dict(model)

    def log10_prob(gram):
        if gram in table:
            return table[gram][0]
        return table.get(gram[:-1], (0, 0))[1] + log10_prob(gram[1:])

    rng = random.Random(4)
    outcomes = [word for word in model.words if word != "<s>"]
    contexts = [tuple(rng.choices(outcomes, k=rng.randint(0, 3))) for _ in range(60)]
    contexts += [("<s>", *context[:2]) for context in contexts]
    for context in contexts:
        assert sum(10 ** log10_prob((*context, word)) for word in outcomes) == pytest.approx(1, abs=1e-9)


def test_equals_the_numbers_of_lmplz():
    """The table holds lmplz's own output for the text beside it, with and without pruning."""
    stored = json.loads(LMPLZ_TABLE.read_text())
    for case in stored["models"]:
        options = EstimateOptions(order=case["order"], prune=tuple(case["prune"]))
        found = as_dict(model_of(stored["text"], options))
        expected = parse(case["arpa"])
        assert found.keys() == expected.keys()
        for gram, numbers in expected.items():
            assert found[gram] == pytest.approx(numbers, abs=1e-4)


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="needs KenLM's lmplz on PATH")
@pytest.mark.parametrize("prune", [(0, 0, 0), (0, 1, 2)])
def test_equals_lmplz(tmp_path, prune):
    # The last word is new, because lmplz takes the plain count for the very last n-grams of its order.
    sentences = [*random_text(seed=2, lines=400, size=40), "zz"]
    (tmp_path / "text").write_text("\n".join(sentences) + "\n")
    command = ["lmplz", "-o", "3", "-S", "500M", "--discount_fallback", "--text", str(tmp_path / "text")]
    command += ["--prune", *map(str, prune), "--arpa", str(tmp_path / "arpa")]
    subprocess.run(command, check=True, capture_output=True)
    expected = parse((tmp_path / "arpa").read_text().splitlines())
    found = as_dict(model_of(sentences, EstimateOptions(order=3, prune=prune)))
    assert found.keys() == expected.keys()
    for gram, numbers in expected.items():
        assert found[gram] == pytest.approx(numbers, abs=1e-4)


def test_the_weight_of_a_text_is_its_repetition():
    sentences, options = random_text(seed=6), EstimateOptions(prune=(0, 0, 2))
    assert as_dict(model_of(sentences, options, weight=3)) == as_dict(model_of(sentences * 3, options))


def test_arpa_says_what_the_model_says():
    model = model_of(random_text(seed=1), EstimateOptions(order=3))
    lines = list(arpa_lines(model))
    assert lines[:4] == ["\\data\\", *[f"ngram {n + 1}={count}" for n, count in enumerate(model.counts)]]
    written, table = parse(lines), as_dict(model)
    assert written.keys() == table.keys()
    for gram, numbers in table.items():
        assert written[gram] == pytest.approx(numbers, rel=1e-6)


def test_discounts_fall_back_when_there_is_too_little_to_count(caplog):
    assert discounts(np.array([1, 1, 2])) == FALLBACK_DISCOUNTS
    assert "too few" in caplog.text
    assert discounts(np.array([1] * 1 + [2] * 1 + [3] * 9 + [4])) == FALLBACK_DISCOUNTS
    assert "out of range" in caplog.text


def test_training_reports_what_it_did(tmp_path):
    text, out = tmp_path / "text.txt", tmp_path / "lm.arpa"
    text.write_text("The cat sat.\n\nthe DOG sat\nthe cat б ran\nthe cat\n", encoding="utf-8")
    heard = []
    options = EstimateOptions(order=2, prune=(0,), min_word_count=2)
    report = train([text], out, options, lambda step, share: heard.append((step, share)))
    assert (report.sentences, report.words, report.refused_lines) == (3, 8, 1)
    assert report.vocabulary == len({"<unk>", "<s>", "</s>", "the", "cat", "sat"})
    assert report.unknown_share == pytest.approx(1 / 8)
    assert report.bytes == out.stat().st_size
    assert report.ngrams[0] == report.vocabulary
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lm.arpa", "text.txt"]


def test_a_vocabulary_file_limits_the_words(tmp_path):
    (tmp_path / "text").write_text("the cat sat\nthe dog sat\n")
    (tmp_path / "words").write_text("the\ncat\nhorse\n")
    options = EstimateOptions(order=2, prune=(0,), vocabulary=tmp_path / "words")
    train([tmp_path / "text"], tmp_path / "lm.arpa", options)
    words = {gram[0] for gram in parse((tmp_path / "lm.arpa").read_text().splitlines())}
    assert words == {"<unk>", "<s>", "</s>", "the", "cat"}


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        (EstimateOptions(order=1), "lm.bin", "order 1"),
        (EstimateOptions(order=9), "lm.bin", "order 9"),
        (EstimateOptions(prune=(1, 1)), "lm.bin", "0 first"),
        (EstimateOptions(prune=(0, 2, 1)), "lm.bin", "not decreasing"),
        (EstimateOptions(weights=(1, 2)), "lm.bin", "each of the 1 texts"),
        (EstimateOptions(), "absent/lm.bin", "there is no folder"),
        (EstimateOptions(), "lm.txt", r"let the name end in \.bin"),
        (EstimateOptions(), "lm.bin", "no sentence"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, options, name, words):
    (tmp_path / "text").write_text("\n...\n")
    with pytest.raises(EstimateError, match=words):
        train([tmp_path / "text"], tmp_path / name, options)
    assert not (tmp_path / name).exists()


def test_missing_texts_are_named(tmp_path):
    with pytest.raises(EstimateError, match="no text given"):
        train([], tmp_path / "lm.bin")
    with pytest.raises(TextError, match=r"absent\.txt: no such text"):
        train([tmp_path / "absent.txt"], tmp_path / "lm.bin")

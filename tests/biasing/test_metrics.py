"""Numbers about phrases: equal to jiwer and to a count over all alignments, and the laws they must obey."""

import math
import random

import jiwer
import numpy as np
import pytest

from biasing.alignment import ErrorCounts, ScoreError
from biasing.entities import PhraseCounts
from biasing.intervals import Bootstrap
from biasing.lists import BiasingList
from biasing.metrics import MACROS, NUMBERS, EntityScore, evaluate

RARE = ["priya", "sharma", "wilmington", "zoe"]
DISTRACTORS = ["brahms", "delhi", "osprey"]
COMMON = ["call", "the", "new", "office", "in", "now"]
ERROR_RATES = ("wer", "cer", "b_wer", "u_wer", "aligned_wer", "unknown_wer", "known_wer")
QUICK = Bootstrap(rounds=100)


def random_texts(seed: int, count: int = 30, longest: int = 9) -> tuple[list[str], list[str]]:
    """Return references, none of them empty, and hypotheses with random errors, distractors among them."""
    rng = random.Random(seed)
    refs, hyps = [], []
    for _ in range(count):
        ref = rng.choices(RARE + COMMON, k=rng.randint(1, longest))
        hyp = [word for word in ref if rng.random() > 0.1]
        hyp = [rng.choice(RARE + DISTRACTORS) if rng.random() < 0.15 else word for word in hyp]
        for _ in range(rng.choice([0, 0, 1, 2])):
            hyp.insert(rng.randint(0, len(hyp)), rng.choice(RARE + DISTRACTORS + COMMON))
        refs.append(" ".join(ref))
        hyps.append(" ".join(hyp))
    return refs, hyps


def all_alignments(ref: list[str], hyp: list[str]):
    """Yield (cost, moves from the end, pairs) of every alignment there is."""
    if not ref and not hyp:
        yield 0, (), ()
    if ref and hyp:
        same = ref[-1] == hyp[-1]
        for cost, moves, pairs in all_alignments(ref[:-1], hyp[:-1]):
            yield cost + (0 if same else 4), (0, *moves), (*pairs, (ref[-1], hyp[-1]))
    if hyp:
        for cost, moves, pairs in all_alignments(ref, hyp[:-1]):
            yield cost + 3, (1, *moves), (*pairs, (None, hyp[-1]))
    if ref:
        for cost, moves, pairs in all_alignments(ref[:-1], hyp):
            yield cost + 3, (2, *moves), (*pairs, (ref[-1], None))


def published_rule(ref: str, hyp: str, rare: set[str]) -> dict[bool, ErrorCounts]:
    """Return {True: counts of B-WER, False: counts of U-WER}, from all alignments."""
    _, _, pairs = min(all_alignments(ref.split(), hyp.split()))
    counts = {True: [0, 0, 0, 0], False: [0, 0, 0, 0]}
    for left, right in pairs:
        kind = 3 if left is None else 2 if right is None else int(left != right)
        counts[(right if left is None else left) in rare][kind] += 1
    return {side: ErrorCounts(*found) for side, found in counts.items()}


@pytest.mark.parametrize("seed", range(5))
def test_b_and_u_errors_are_those_of_the_published_rule(seed):
    refs, hyps = random_texts(seed, 12, 4)
    hyps = [" ".join(hyp.split()[:5]) for hyp in hyps]
    score = evaluate(refs, hyps, RARE + DISTRACTORS)
    for one, ref, hyp in zip(score.utterances, refs, hyps, strict=True):
        expected = published_rule(ref, hyp, set(ref.split()) & set(RARE))
        assert (one.biased, one.unbiased) == (expected[True], expected[False])


REFERENCE_CASE = [
    # reference, hypothesis, (hits, substitutions, deletions, insertions) of B-WER, the same of U-WER
    ("call priya now", "call priya now", (1, 0, 0, 0), (2, 0, 0, 0)),
    ("call priya now", "call maria now", (0, 1, 0, 0), (2, 0, 0, 0)),
    ("call priya now", "call now", (0, 0, 1, 0), (2, 0, 0, 0)),
    ("call priya now", "call priya priya now", (1, 0, 0, 1), (2, 0, 0, 0)),
    ("call priya now", "call priya brahms now", (1, 0, 0, 0), (2, 0, 0, 1)),
    ("call priya now", "call brahms now", (0, 1, 0, 0), (2, 0, 0, 0)),
    ("call the office now", "call priya osprey now", (0, 0, 0, 0), (2, 2, 0, 0)),
    ("call the office", "zoe call the office", (0, 0, 0, 0), (3, 0, 0, 1)),
    ("zoe and zoe met priya", "so and zoe met a prior", (1, 2, 0, 0), (2, 0, 0, 1)),
]


def test_the_stored_case_of_b_and_u_errors():
    refs, hyps = [row[0] for row in REFERENCE_CASE], [row[1] for row in REFERENCE_CASE]
    score = evaluate(refs, hyps, RARE + DISTRACTORS)
    for one, (ref, hyp, biased, unbiased) in zip(score.utterances, REFERENCE_CASE, strict=True):
        assert (one.biased, one.unbiased) == (ErrorCounts(*biased), ErrorCounts(*unbiased))
        expected = published_rule(ref, hyp, set(ref.split()) & set(RARE))
        assert (one.biased, one.unbiased) == (expected[True], expected[False])
    assert score.value("b_wer") == 6 / 9
    assert score.value("u_wer") == 5 / 21
    assert score.totals == PhraseCounts(hits=4, misses=5, false_accepts=6)
    assert [one.distractors for one in score.utterances] == [0, 0, 0, 0, 1, 1, 2, 1, 0]
    assert [one.hidden_distractors for one in score.utterances] == [0, 0, 0, 0, 1, 0, 2, 1, 0]


def test_the_published_lists_and_a_shared_list_give_the_same_numbers():
    refs, hyps = random_texts(3)
    ids = [f"u{n}" for n in range(len(refs))]
    lists = {
        name: BiasingList(
            (*RARE, *DISTRACTORS), tuple(word for word in dict.fromkeys(ref.split()) if word in RARE)
        )
        for name, ref in zip(ids, refs, strict=True)
    }
    by_id = evaluate(dict(zip(ids, refs, strict=True)), dict(zip(ids, hyps, strict=True)), lists)
    shared = evaluate(refs, hyps, [*RARE, *DISTRACTORS])
    for name in NUMBERS:
        assert by_id.value(name) == pytest.approx(shared.value(name), nan_ok=True)
    assert shared.never_spoken == tuple(DISTRACTORS)


def test_what_is_charged_to_b_wer_can_be_given():
    lists = {"u": BiasingList(("delhi", "priya"), ("priya",))}
    one = evaluate({"u": "delhi priya"}, {"u": "a priya delhi"}, lists).utterances[0]
    assert (one.biased, one.unbiased) == (ErrorCounts(1, 0, 0, 0), ErrorCounts(0, 1, 0, 1))
    assert one.phrases == PhraseCounts(hits=1, misses=1, false_accepts=1)
    assert one.distractors == 0


def test_of_a_phrase_of_several_words_only_the_phrase_is_charged():
    one = evaluate(["the beatles saw the sea"], ["a beatles saw a sea"], ["the beatles"]).utterances[0]
    assert (one.biased, one.unbiased) == (ErrorCounts(1, 1, 0, 0), ErrorCounts(2, 1, 0, 0))


@pytest.mark.parametrize("seed", range(10))
def test_error_rates_are_those_of_jiwer(seed):
    refs, hyps = random_texts(seed)
    score = evaluate(refs, hyps, RARE)
    assert score.value("wer") == pytest.approx(jiwer.wer(refs, hyps))
    assert score.value("cer") == pytest.approx(jiwer.cer(refs, hyps))


@pytest.mark.parametrize("seed", range(10))
def test_the_parts_sum_to_the_whole(seed):
    refs, hyps = random_texts(seed)
    score = evaluate(refs, hyps, RARE + DISTRACTORS, vocabulary=COMMON)
    aligned = score.errors("biased") + score.errors("unbiased")
    assert aligned == score.errors("unknown") + score.errors("known")
    assert aligned.reference == score.errors("words").reference == sum(len(ref.split()) for ref in refs)
    assert aligned.errors >= score.errors("words").errors
    assert score.errors("unknown").reference == sum(word in RARE for ref in refs for word in ref.split())
    for group in (lambda phrase: phrase, len, lambda _: "all"):
        assert sum(score.by(group).values(), PhraseCounts()) == score.totals
    assert score.totals.spoken == sum(word in RARE for ref in refs for word in ref.split())
    heard = score.totals.hits + score.totals.false_accepts
    assert heard == sum(word in RARE + DISTRACTORS for hyp in hyps for word in hyp.split())
    for one in score.utterances:
        assert one.hidden_distractors <= one.distractors <= one.phrases.false_accepts
    p, r, f1 = (score.value(name) for name in ("precision", "recall", "f1"))
    assert f1 == pytest.approx(2 * p * r / (p + r))


def test_a_perfect_hypothesis_has_no_errors_and_f1_1():
    refs, _ = random_texts(0)
    score = evaluate(refs, refs, RARE + DISTRACTORS, vocabulary=COMMON)
    assert [score.value(name) for name in ERROR_RATES] == [0] * len(ERROR_RATES)
    assert [score.value(name) for name in ("f1", "precision", "recall", *MACROS)] == [1] * 6
    assert score.value("false_accepts") == score.value("distractors") == 0
    estimate = score.estimate("f1")
    assert (estimate.low, estimate.high) == (1, 1)


def test_an_empty_hypothesis_has_no_precision():
    score = evaluate(["call priya", "call zoe"], ["", ""], RARE)
    assert [score.value(name) for name in ("wer", "b_wer", "u_wer", "recall", "f1")] == [1, 1, 1, 0, 0]
    assert math.isnan(score.value("precision"))
    assert math.isnan(score.estimate("macro_precision").low)


def test_no_phrases_leave_phrase_numbers_undefined():
    score = evaluate(["call her"], ["call him"], [])
    assert score.value("wer") == score.value("u_wer") == 0.5
    assert all(math.isnan(score.value(name)) for name in ("b_wer", "f1", "macro_f1", "unknown_wer"))
    assert score.estimates_by(len) == {}


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_utterances_and_phrases_changes_nothing(seed):
    refs, hyps = random_texts(seed)
    order = random.Random(seed).sample(range(len(refs)), len(refs))
    score = evaluate(refs, hyps, RARE + DISTRACTORS)
    other = evaluate([refs[n] for n in order], [hyps[n] for n in order], DISTRACTORS[::-1] + RARE[::-1])
    assert other.phrases == score.phrases
    for name in NUMBERS:
        assert other.value(name) == pytest.approx(score.value(name), nan_ok=True)


def test_macro_is_micro_when_phrases_are_alike_and_their_mean_otherwise():
    alike = evaluate(["a b", "a b"], ["a x a", "y b b"], ["a", "b"])
    assert alike.phrases == dict.fromkeys("ab", PhraseCounts(1, 1, 1))
    for name, micro in MACROS.items():
        assert alike.value(name) == alike.value(micro) == 0.5
    unlike = evaluate(["a a a b", "c"], ["a a a x", "c d"], ["a", "b", "c", "d"])
    assert unlike.value("recall") == 4 / 5
    assert unlike.value("macro_recall") == pytest.approx((1 + 0 + 1) / 3)
    assert unlike.value("macro_precision") == pytest.approx((1 + 1 + 0) / 3)
    assert unlike.value("macro_f1") == pytest.approx((1 + 0 + 1 + 0) / 4)


@pytest.mark.parametrize("name", [name for name in NUMBERS if "known" not in name])
def test_every_number_has_an_interval_that_holds_it_and_shrinks(name):
    refs, hyps = random_texts(5, 60)
    few = evaluate(refs, hyps, RARE + DISTRACTORS).estimate(name)
    many = evaluate(refs * 9, hyps * 9, RARE + DISTRACTORS).estimate(name)
    assert many.value == pytest.approx(few.value)
    for found in (few, many):
        assert found.low <= found.value <= found.high
    assert many.high - many.low == pytest.approx((few.high - few.low) / 3, rel=0.3)


def test_macro_intervals_are_those_of_drawing_utterances_one_by_one():
    refs, hyps = random_texts(6, 15)
    score = evaluate(refs, hyps, RARE, bootstrap=QUICK)
    statistic = score._statistic("macro_f1")
    rng = random.Random(0)
    for _ in range(20):
        drawn = rng.choices(range(15), k=15)
        direct = evaluate([refs[n] for n in drawn], [hyps[n] for n in drawn], RARE).value("macro_f1")
        weights = np.array([[drawn.count(n) for n in range(15)]], float)
        assert float(statistic(weights)[0, 0]) == pytest.approx(direct, nan_ok=True)


def test_groups_have_the_intervals_of_their_phrases_alone():
    refs, hyps = random_texts(7, 40)
    score = evaluate(refs, hyps, RARE)
    by_phrase = score.estimates_by(lambda phrase: phrase, "recall")
    assert list(by_phrase) == list(score.phrases) == sorted(RARE)
    for phrase, counts in score.phrases.items():
        assert by_phrase[phrase].value == counts.hits / counts.spoken
    alone = evaluate(refs, hyps, ["zoe"]).estimate("recall")
    assert by_phrase["zoe"] == alone


def test_comparing_systems():
    refs, hyps = random_texts(8, 80)
    bad, good = evaluate(refs, hyps, RARE), evaluate(refs, refs, RARE)
    for name in ("wer", "b_wer", "f1", "macro_f1"):
        assert bad.compare(bad, name).p_value == 1
        assert bad.compare(good, name).p_value == 1 / 1001
        assert good.compare(bad, name).p_value == 1
        found = bad.compare(good, name)
        assert (found.a, found.b) == (bad.value(name), good.value(name))
        assert found.difference.value == found.b - found.a
    with pytest.raises(ScoreError, match="differ in utterances"):
        bad.compare(evaluate(refs[1:], refs[1:], RARE))
    with pytest.raises(ScoreError, match="no number is called 'f2'; there are wer, cer"):
        bad.compare(good, "f2")
    with pytest.raises(ScoreError, match="no number is called 'wer'; there are precision, recall, f1"):
        bad.estimates_by(len, "wer")


def test_empty_references_are_reported_and_insertions_in_them_counted():
    score = evaluate({"a": "call zoe", "b": " "}, {"a": "call zoe", "b": "zoe"}, ["zoe"])
    assert score.empty_references == ("b",)
    assert score.totals == PhraseCounts(hits=1, false_accepts=1)
    assert score.value("wer") == 0.5


@pytest.mark.parametrize(
    ("refs", "hyps", "lists", "words"),
    [
        ({"a": "x"}, {"b": "x"}, ["x"], r"1 \('a'\) only in the references"),
        (["x", "y"], ["x"], ["x"], r"1 \('line 2'\) only in the references"),
        (["", " "], ["x", ""], ["x"], "the references hold no words"),
        ([], [], ["x"], "the references hold no words"),
        ({"a": "x"}, {"a": "x"}, {"b": BiasingList(())}, r"1 \('a'\) utterances have no biasing list"),
        (["x"], ["x"], ["x", ""], "phrase 2 is empty"),
        (["x"], ["x"], "x y", "'x y' is one phrase; give a list of phrases"),
        ("x", ["x"], ["x"], "'x' is one text; give a list of texts"),
    ],
)
def test_bad_input_is_named(refs, hyps, lists, words):
    with pytest.raises(ScoreError, match=words) as caught:
        evaluate(refs, hyps, lists)
    assert "\n" not in str(caught.value)


def test_results_are_immutable():
    score: EntityScore = evaluate(["x"], ["x"], ["x"])
    with pytest.raises(AttributeError):
        score.vocabulary = frozenset()
    with pytest.raises(AttributeError):
        score.utterances[0].biased.hits = 2

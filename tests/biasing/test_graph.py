"""The graph finds and pays exactly the phrases that brute force finds, and takes back all else."""

import random
from itertools import pairwise

import numpy as np
import pytest

from asr.compiled import compiled
from biasing.graph import (
    END,
    BoostOptions,
    GraphError,
    Spelled,
    build_graph,
    continuations,
    graph_of,
    step,
)
from biasing.phrases import Phrase, make_phrases

PIECES = ("<unk>", "▁a", "▁b", "c", "d", "▁")
HEADS = (1, 2, 5)
LETTERS = ("<unk>", "▁", *"'abcdefghijklmnopqrstuvwxyz")
WHOLE = BoostOptions().budget


def letters(text):
    """Tokens of words, each letter one, after a mark of the word's start."""
    return [LETTERS.index(char) for char in "▁" + text.replace(" ", "▁")]


def by_letters(text):
    """The only way to cut words into letters."""
    return [letters(text)]


def random_phrases(rng):
    """Phrases that overlap, contain and repeat each other a lot."""
    phrases = []
    for _ in range(rng.randint(0, 6)):
        ways = [
            (rng.choice(HEADS), *rng.choices(range(1, 6), k=rng.randint(0, 4)))
            for _ in range(rng.choice([1, 1, 2, 3]))
        ]
        boost = rng.choice([None, None, 0.0, -3.0, 2.0, 6.0])
        phrases.append(Spelled(ways, boost, rng.randint(1, len(ways))))
    return phrases


def random_case(rng):
    """Phrases, options, tokens and gaps."""
    options = BoostOptions(
        full_length=rng.randint(1, 5),
        slope=rng.choice([0.0, 0.7, 1.0]),
        base=rng.choice([0.0, 0.5, 2.0]),
        max_gap=rng.choice([3.0, 9.0]),
        end_share=rng.choice([0.0, 0.5, 1.0]),
    )
    count = rng.randint(0, 12)
    tokens = rng.choices(range(1, 6), k=count)
    return random_phrases(rng), options, tokens, rng.choices([0.0, 0.4, 2.0, 5.0, 11.0], k=count)


def budgets_of(phrases, options):
    """What each phrase is worth, by the words of the documentation."""
    worth = []
    for phrase in phrases:
        boost = options.budget if phrase.boost is None else phrase.boost
        share = min(1.0, len(phrase.spellings[0]) / options.full_length)
        worth.append(boost * share**2 if boost > 0 else boost)
    return worth


def owners_of(phrases, options):
    """Which phrase each spelling belongs to."""
    worth, claims = budgets_of(phrases, options), {}
    for index, phrase in enumerate(phrases):
        for place, tokens in enumerate(phrase.spellings):
            claims.setdefault(tuple(tokens), []).append((place >= phrase.own, -worth[index], index))
    return {tokens: min(rivals)[-1] for tokens, rivals in claims.items()}


def word_starts(tokens):
    """The places where a word starts, and the end."""
    return [place for place, token in enumerate(tokens) if token in HEADS] + [len(tokens)]


def found_by_force(owners, tokens):
    """(entry, first, end) of the longest phrase that ends at each end of a word."""
    found = []
    for end in word_starts(tokens):
        spans = [first for first in word_starts(tokens) if tuple(tokens[first:end]) in owners and first < end]
        if spans:
            found.append((owners[tuple(tokens[min(spans) : end])], min(spans), end))
    return found


def run(graph, tokens, gaps):
    """Nodes, pending and locked nats after each token."""
    node, pending, locked, rows = 0, 0.0, 0.0, []
    for token, gap in zip(tokens, gaps, strict=True):
        node, pending, added = step(graph.arrays, node, pending, token, gap)
        locked += added
        rows.append((node, pending, locked))
    return rows


def run_by_force(phrases, options, tokens, gaps):
    """Pending and locked nats after each token, from strings alone."""
    owners, worth = owners_of(phrases, options), budgets_of(phrases, options)
    current, pending, locked, rows = (), 0.0, 0.0, []
    for token, gap in zip(tokens, gaps, strict=True):
        over = [current[i:] for i in range(len(current)) if current[i:] in owners]
        if over and token in HEADS:
            due = worth[owners[over[0]]]
            paid = min(pending, max(due, 0.0))
            pending -= paid
            locked += paid + options.end_share * (due - paid) if due > 0 else due
        longer = (*current, token)
        suffixes = [longer[i:] for i in range(len(longer))]
        after = next((one for one in suffixes if any(way[: len(one)] == one for way in owners)), ())
        cap = max([worth[owners[way]] for way in owners if way[: len(after)] == after] + [0.0])
        if len(after) < 2:
            pending = 0.0
        elif after == longer:
            boost = min(options.slope * gap + options.base, options.most) if gap <= options.max_gap else 0.0
            pending = min(pending + boost, cap)
        else:
            pending = run_by_force(phrases, options, after, [0.0] * len(after))[-1][0]
        current = after
        rows.append((pending, locked))
    return rows


def test_matches_and_bonus_are_those_of_brute_force():
    rng = random.Random(10)
    for _ in range(200):
        phrases, options, tokens, gaps = random_case(rng)
        options = BoostOptions(**{**vars(options), "end_share": 1.0})
        graph, worth = build_graph(phrases, PIECES, options), budgets_of(phrases, options)
        owners = owners_of(phrases, options)
        for count in range(len(tokens) + 1):
            found = graph.walk(tokens[:count], gaps[:count])
            expected = found_by_force(owners, tokens[:count])
            assert [match[:3] for match in found] == expected
            assert [match.nats for match in found] == pytest.approx([worth[one[0]] for one in expected])


def test_what_is_pending_and_locked_is_what_the_rule_says():
    rng = random.Random(11)
    for _ in range(150):
        phrases, options, tokens, gaps = random_case(rng)
        rows = run(build_graph(phrases, PIECES, options), tokens, gaps)
        expected = run_by_force(phrases, options, tokens, gaps)
        assert [row[1:] for row in rows] == [pytest.approx(row) for row in expected]


def test_nothing_is_left_at_the_end_but_what_was_locked():
    rng = random.Random(12)
    for _ in range(80):
        phrases, options, tokens, gaps = random_case(rng)
        graph = build_graph(phrases, PIECES, options)
        node, pending, locked = ([(0, 0.0, 0.0), *run(graph, tokens, gaps)])[-1]
        after, left, last = step(graph.arrays, node, pending, END, 0.0)
        assert (after, left) == (0, 0.0)
        assert locked + last == pytest.approx(sum(match.nats for match in graph.walk(tokens, gaps)))
        assert 0.0 <= pending <= max([0.0, *graph.arrays.budget])
        for match in graph.walk(tokens, gaps):
            assert min(graph.arrays.budget[match.entry], 0.0) <= match.nats
            assert match.nats <= max(graph.arrays.budget[match.entry], 0.0) + 1e-9


def test_the_compiled_step_is_the_same():
    compiled_step, compiled_continuations = compiled(step), compiled(continuations)
    rng = random.Random(13)
    for _ in range(50):
        phrases, options, tokens, gaps = random_case(rng)
        graph = build_graph(phrases, PIECES, options)
        node, pending = 0, 0.0
        for token, gap in zip([*tokens, END], [*gaps, 0.0], strict=True):
            here = step(graph.arrays, node, pending, token, gap)
            assert compiled_step(graph.arrays, node, pending, token, gap) == here
            node, pending = here[:2]
            out = np.zeros((2, len(PIECES)), dtype=np.int32)
            count = continuations(graph.arrays, node, out[0])
            assert compiled_continuations(graph.arrays, node, out[1]) == count
            assert (out[0] == out[1]).all()


def test_continuations_are_the_tokens_that_a_begun_phrase_waits_for():
    rng = random.Random(14)
    for _ in range(60):
        phrases, options, tokens, gaps = random_case(rng)
        graph = build_graph(phrases, PIECES, options)
        for node, _, _ in run(graph, tokens, gaps):
            out = np.zeros(len(PIECES), dtype=np.int32)
            waited = out[: continuations(graph.arrays, node, out)].tolist()
            after = [step(graph.arrays, node, 0.0, token, 0.0)[0] for token in range(len(PIECES))]
            deep = [token for token in range(len(PIECES)) if graph.arrays.depth[after[token]] > 1]
            assert sorted(waited) == deep


def test_constant_boosting_pays_the_same_as_a_scorer_that_sees_no_gaps():
    rng = random.Random(15)
    for _ in range(80):
        phrases, options, tokens, _ = random_case(rng)
        graph = build_graph(phrases, PIECES, options)
        state, total = graph.start(), 0.0
        for token, (_, pending, locked) in zip(tokens, run(graph, tokens, [0.0] * len(tokens)), strict=True):
            state, nats = graph.step(state, token)
            total += nats
            assert total == pytest.approx(pending + locked)
        total += graph.finish(state)
        assert total == pytest.approx(sum(match.nats for match in graph.walk(tokens)))


def test_the_order_of_the_list_has_no_say():
    rng = random.Random(16)
    for _ in range(60):
        phrases, options, tokens, gaps = random_case(rng)
        order = rng.sample(range(len(phrases)), len(phrases))
        one = build_graph(phrases, PIECES, options)
        other = build_graph([phrases[index] for index in order], PIECES, options)
        assert run(one, tokens, gaps) == run(other, tokens, gaps)
        spans = [match[1:] for match in one.walk(tokens, gaps)]
        assert spans == [match[1:] for match in other.walk(tokens, gaps)]


def test_interleaved_streams_give_what_one_after_the_other_gives():
    rng = random.Random(17)
    graph = build_graph([Spelled([(1, 3, 2, 4)]), Spelled([(2, 4, 1)])], PIECES)
    streams = [rng.choices(range(1, 6), k=40) for _ in range(3)]
    states = [(graph.start(), 0.0)] * 3
    for place in range(40):
        for index in rng.sample(range(3), 3):
            state, total = states[index]
            state, nats = graph.step(state, streams[index][place])
            states[index] = state, total + nats
    for (state, total), tokens in zip(states, streams, strict=True):
        expected = sum(match.nats for match in graph.walk(tokens))
        assert total + graph.finish(state) == pytest.approx(expected)
    with pytest.raises(ValueError, match="read-only"):
        graph.arrays.cap[0] = 1.0


def test_an_empty_list_never_pays():
    rng = random.Random(18)
    for graph in (build_graph([], PIECES), graph_of(make_phrases(["☃", "小\t\t/S/"]), by_letters, LETTERS)):
        tokens = rng.choices(range(6), k=50)
        gaps = [rng.uniform(0, 9) for _ in tokens]
        assert graph.walk(tokens, gaps) == []
        assert set(run(graph, tokens, gaps)) == {(0, 0.0, 0.0)}


def spoken(phrases, text, **options):
    """Display forms and nats found in a text, letter by letter."""
    phrases = make_phrases(phrases)
    graph = graph_of(phrases, by_letters, LETTERS, BoostOptions(**options))
    return [(phrases[match.entry].display, round(match.nats, 6)) for match in graph.walk(letters(text))]


def test_words_of_the_kind_that_went_wrong_elsewhere():
    assert spoken(["cat"], "category concat cat's") == []
    assert spoken(["cat"], "the cat sat", full_length=1) == [("cat", WHOLE)]
    assert spoken(["bookkeeper"], "a bookkeeper") == [("bookkeeper", WHOLE)]
    assert spoken(["bookkeeper"], "a bokeper") == []
    he = ["he", "she", "hers"]
    assert [name for name, _ in spoken(he, "she gave hers he said ushers")] == ["she", "hers", "he"]
    york = ["New York", "New York City", "York Town", "City Hall"]
    hall = ["New York", "New York City", "City Hall"]
    assert [name for name, _ in spoken(york, "new york city hall")] == hall
    assert [name for name, _ in spoken(york, "new york town")] == ["New York", "York Town"]
    assert [name for name, _ in spoken(york, "new yorks")] == []
    assert [name for name, _ in spoken(york, "new york")] == ["New York"]
    assert spoken(["York", "New York"], "in new york") == [("New York", WHOLE)]


def test_a_phrase_is_one_budget_however_long_and_less_when_short():
    assert spoken(["a" * 40], "a" * 40) == [("a" * 40, WHOLE)]
    assert spoken(["ab"], "ab") == [("ab", round(WHOLE * (3 / 5) ** 2, 6))]
    assert spoken(["siobhan :3"], "siobhan") == [("siobhan", 3.0)]
    assert spoken(["ab :-4"], "ab") == [("ab", -4.0)]
    assert spoken(["siobhan :0"], "siobhan") == [("siobhan", 0.0)]


def test_a_discouraged_phrase_loses_at_its_end_and_gains_nothing_before():
    graph = graph_of(make_phrases(["uhm right :-5"]), by_letters, LETTERS)
    rows = run(graph, letters("uhm right so"), [2.0] * 13)
    totals = [pending + locked for _, pending, locked in rows]
    assert totals[:10] == [0.0] * 10
    assert totals[10:] == [-5.0] * 3


def test_the_advance_grows_with_the_gap_up_to_its_limits():
    options = BoostOptions(budget=8, slope=0.7, base=0.5, most=3, max_gap=9)
    graph = build_graph([Spelled([(1, 3, 4, 3, 4)])], PIECES, options)
    paid = [run(graph, [1, 3], [gap, gap])[-1][1] for gap in (0.0, 1.0, 2.0, 8.0, 9.5)]
    assert paid == pytest.approx([0.5, 1.2, 1.9, 3.0, 0.0])
    assert run(graph, [1], [5.0])[-1][1] == 0.0
    pending = [row[1] for row in run(graph, [1, 3, 4, 3, 4], [8.0] * 5)]
    assert pending == pytest.approx([0.0, 3.0, 6.0, 8.0, 8.0])
    assert all(before <= after for before, after in pairwise(pending))
    assert run(graph, [1, 3, 4, 4], [8.0] * 4)[-1] == (0, 0.0, 0.0)


def test_what_it_sounds_like_is_the_same_phrase_and_yields_to_own_words():
    items = ["Kaity\t6\tkatie", "Siobhan\t\tshiv awn", Phrase("Katie", 1.0)]
    assert spoken(items, "kaity and katie") == [("Kaity", 6.0), ("Katie", 1.0)]
    assert spoken(items, "shiv awn shiv") == [("Siobhan", WHOLE)]

    def two_ways(text):
        return [letters(text), [token for token in letters(text) if LETTERS[token] != "b"]]

    phrases = make_phrases(["bob"])
    graph = graph_of(phrases, two_ways, LETTERS)
    assert {match.nats for match in graph.walk(letters("bob o"))} == {WHOLE * (4 / 5) ** 2}
    assert [match[:3] for match in graph.walk(letters("bob o"))] == [(0, 0, 4), (0, 4, 6)]


def test_spellings_that_cannot_be_found_are_refused():
    for spellings, message in [
        ([()], "phrase 1 has a spelling without tokens"),
        ([(1, 9)], "phrase 1 has the token 9"),
        ([(1, -1)], "phrase 1 has the token -1"),
        ([(1,), (3, 1)], "phrase 1 begins with token 3"),
    ]:
        with pytest.raises(GraphError, match=message):
            build_graph([Spelled([(1, 3)]), Spelled(spellings)], PIECES)
    with pytest.raises(GraphError, match="finite"):
        build_graph([Spelled([(1,)], float("nan"))], PIECES)
    for wrong in ({"slope": -1}, {"full_length": 0}, {"end_share": 2}, {"base": float("nan")}):
        with pytest.raises(GraphError):
            BoostOptions(**wrong)

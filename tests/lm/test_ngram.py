"""Language models: a search that asks by tokens hears what the sentence as a whole would have scored."""

import math
import random

import pytest

from lm.estimate import EstimateOptions, train
from lm.ngram import WORD_START, LanguageModelError, LMOptions, NGram, WordScorer

PIECES = ["<blk>", "▁", "▁a", "▁b", "a", "b", "'", "▁ab"]


@pytest.fixture(scope="module")
def ngram(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    rng = random.Random(3)
    words = ["a", "b", "ab", "ba", "abb", "b'a"]
    text = "\n".join(
        " ".join(rng.choices(words, [6, 5, 4, 3, 2, 1], k=rng.randint(1, 9))) for _ in range(400)
    )
    (folder / "text.txt").write_text(text)
    train([folder / "text.txt"], folder / "lm.bin", EstimateOptions(order=3, prune=(0, 0, 1)))
    return NGram(folder / "lm.bin")


def texts(count, seed=5):
    rng = random.Random(seed)
    return [[rng.randrange(1, len(PIECES)) for _ in range(rng.randint(0, 12))] for _ in range(count)]


def spoken(tokens):
    return "".join(PIECES[token] for token in tokens).replace(WORD_START, " ").split()


def total(scorer, tokens):
    state, nats = scorer.start(), 0.0
    for token in tokens:
        state, added = scorer.step(state, token)
        nats += added
    return nats + scorer.finish(state)


@pytest.mark.parametrize("end", [True, False])
def test_tokens_add_up_to_the_sentence(ngram, end):
    options = LMOptions(weight=0.7, word_bonus=0.3, unk_penalty=-4.0, score_sentence_end=end)
    scorer = WordScorer(ngram, PIECES, options)
    unknown = 0
    for tokens in texts(300):
        words = spoken(tokens)
        missing = sum(word not in ngram for word in words)
        unknown += missing
        expected = 0.7 * (ngram.score(words, end) - 4.0 * missing) + 0.3 * len(words)
        assert total(scorer, tokens) == pytest.approx(expected, abs=1e-4)
        assert scorer.log_prob(tokens) == pytest.approx(ngram.score(words, end), abs=1e-4)
    assert unknown > 100


def test_unfinished_words_are_paid_the_best_word_they_may_become_and_settled_at_their_end(ngram):
    options = LMOptions(word_bonus=1.0, unk_penalty=-7.0)
    scorer = WordScorer(ngram, PIECES, options)
    state, begun = scorer.step(scorer.start(), PIECES.index("▁a"))
    state, longer = scorer.step(state, PIECES.index("b"))
    state, ended = scorer.step(state, PIECES.index("▁b"))
    assert begun == pytest.approx(0.5 * ngram.lookahead("a") + 1.0, abs=1e-5)
    assert begun + longer == pytest.approx(0.5 * ngram.lookahead("ab") + 1.0, abs=1e-5)
    second = 0.5 * ngram.lookahead("b") + 1.0
    first = 0.5 * ngram.score(["ab"], sentence_end=False) + 1.0
    assert begun + longer + ended - second == pytest.approx(first, abs=1e-5)


def test_letters_that_begin_no_word_pay_for_an_unknown_word_at_once(ngram):
    scorer = WordScorer(ngram, PIECES, LMOptions(unk_penalty=-7.0))
    state, paid = scorer.start(), 0.0
    for piece in ("▁b", "'", "b", "b"):
        state, added = scorer.step(state, PIECES.index(piece))
        paid += added
    assert ngram.lookahead("b'bb") == -math.inf
    assert paid == pytest.approx(0.5 * (ngram.unknown_score - 7.0), abs=1e-5)


def test_lookahead_is_the_best_known_word_with_those_letters(ngram):
    rng = random.Random(4)
    words = {"".join(rng.choices("ab'", k=rng.randint(1, 4))) for _ in range(200)}
    known = sorted(word for word in words if word in ngram)
    assert known
    for word in known:
        for end in range(1, len(word) + 1):
            assert ngram.lookahead(word[:end]) >= ngram.lookahead(word) > -math.inf


def test_equal_states_have_equal_futures(ngram):
    """Histories of which the model keeps the same words are one state, and no memory changes its future."""
    scorer = WordScorer(ngram, PIECES)
    seen = {}
    for tokens in texts(400, seed=8):
        state = scorer.start()
        for token in tokens:
            state, _ = scorer.step(state, token)
        answers = [WordScorer(ngram, PIECES).step(state, token)[1] for token in range(1, len(PIECES))]
        answers.append(WordScorer(ngram, PIECES).finish(state))
        assert seen.setdefault(state, answers) == answers
    assert len(seen) < 350


def test_remembering_is_bounded_and_harmless(ngram, monkeypatch):
    monkeypatch.setattr("lm.ngram.MOST_WORDS_REMEMBERED", 3)
    forgetful, fresh = WordScorer(ngram, PIECES), WordScorer(ngram, PIECES)
    for tokens in texts(100):
        assert total(forgetful, tokens) == total(fresh, tokens)
        assert len(forgetful._completed) <= 3


def test_probabilities_sum_to_one_and_are_natural_logarithms(ngram):
    words = ["a", "b", "ab", "ba", "abb", "b'a", "never-heard"]
    rng = random.Random(1)
    for _ in range(50):
        context = ngram.start()
        for word in rng.choices(words, k=rng.randint(0, 5)):
            context, _ = ngram.score_word(context, word)
        probs = [ngram.score_word(context, word)[1] for word in words] + [ngram.finish(context)]
        assert sum(map(math.exp, probs)) == pytest.approx(1, abs=0.02)  # the model is rounded to 7 bits


def test_membership_and_order(ngram):
    assert "ab" in ngram
    assert "zebra" not in ngram
    assert ngram.order == 3


def test_unusable_files_and_pieces_are_named(ngram, tmp_path):
    wrong = tmp_path / "wrong.bin"
    wrong.write_text("not a model")
    cut = tmp_path / "cut.bin"
    cut.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(100))
    for path, words in [
        (wrong, "not a language model"),
        (cut, "not a language model"),
        (tmp_path, "no such"),
    ]:
        with pytest.raises(LanguageModelError, match=words) as caught:
            NGram(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(LanguageModelError, match="next word"):
        WordScorer(ngram, ["<blk>", "a▁b"])

"""Laws of variants: what they never are, how many, and that the order of a list has no say."""

import random

import pytest

from biasing.g2g import INFLECTIONS, VariantError, VariantOptions, entry_variants, variants, with_variants
from biasing.g2p import Pronouncer
from biasing.phrase_check import check, format_check
from biasing.phrases import Phrase, make_phrases

COMMON = frozenset(["the", "of", "new", "york", "link", "face", "book", "you", "tube", "katy", "see", "may"])
NAMES = [
    "Kaity",
    "Siobhan",
    "Joan Baez",
    "NVLink",
    "GPU",
    "O'Brien",
    "Kennedy",
    "Bess",
    "Zelensky",
    "BBC",
    "the",
]


@pytest.fixture(scope="module")
def pronouncer():
    return Pronouncer.load()


def spoken(phrase, pronouncer, common=COMMON, **options):
    return variants(phrase.lower(), pronouncer, VariantOptions(**options), common, phrase)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [1, 4, 8])
def test_variants_are_few_different_ranked_and_never_the_phrase_or_a_common_word(name, most, pronouncer):
    found = spoken(name, pronouncer, most=most)
    words = [variant.words for variant in found]
    assert len(words) == len(set(words)) <= most
    assert name.lower() not in words
    assert not COMMON & set(words)
    scores = [variant.log_prob for variant in found]
    assert scores == sorted(scores, reverse=True)
    assert all(VariantOptions().least <= score <= 0 for score in scores)
    assert found == spoken(name, pronouncer, most=8)[:most]
    assert all(set(text) <= set("abcdefghijklmnopqrstuvwxyz' ") for text in words)


def test_only_inflected_forms_are_shown_otherwise(pronouncer):
    for name in NAMES:
        for variant in spoken(name, pronouncer):
            assert (variant.display == name) == (variant.kind not in INFLECTIONS)


@pytest.mark.parametrize(
    ("name", "words", "display"),
    [
        ("Kaity", "katie", "Kaity"),
        ("Kaity", "kaity's", "Kaity's"),
        ("Kaity", "kaitys", "Kaitys"),
        ("Bess", "besses", "Besses"),
        ("berry", "berries", "berries"),
        ("GPU", "g p u", "GPU"),
        ("GPUs", "g p u's", "GPUs"),
        ("NVLink", "n v link", "NVLink"),
        ("NVLink", "nv link", "NVLink"),
        ("facebook", "face book", "facebook"),
        ("YouTube", "you tube", "YouTube"),
        ("bbc", "b b c", "bbc"),
    ],
)
def test_each_kind_is_made(name, words, display, pronouncer):
    found = {variant.words: variant.display for variant in spoken(name, pronouncer, most=20)}
    assert found.get(words) == display


def test_a_common_word_inside_a_phrase_is_not_respelled(pronouncer):
    for variant in spoken("the Siobhan", pronouncer, most=20):
        assert variant.words.startswith("the ")


def test_katy_is_a_variant_only_where_it_is_not_common(pronouncer):
    assert "katy" in {one.words for one in spoken("Kaity", pronouncer, frozenset())}


def test_what_a_phrase_sounds_like_is_spelled_too(pronouncer):
    plain, told, phones = make_phrases(
        ["Xqzt", Phrase("Xqzu", sounds_like=["zuh len skee"]), Phrase("Xqzv", sounds_like=["/SH IH V AO N/"])]
    )
    heard = [{one.words for one in entry_variants(entry, pronouncer)} for entry in (plain, told, phones)]
    assert {"zelenski", "zalenski"} & heard[1]
    assert not {"zelenski", "zalenski"} & heard[0]
    assert {"shivon", "shivaughn"} & heard[2]


def test_the_order_of_a_list_has_no_say(pronouncer):
    names = [*NAMES, "Katie", "Caity", "Kaity's", "Shavon"]
    expected = with_variants(make_phrases(names), pronouncer, common=COMMON)
    rng = random.Random(3)
    for _ in range(3):
        entries = list(make_phrases(names))
        rng.shuffle(entries)
        found = with_variants(entries, pronouncer, common=COMMON)
        key = {entry.display: entry.spellings for entry in found}
        assert key == {entry.display: entry.spellings for entry in expected}


def test_no_variant_takes_the_words_of_another_entry_or_of_two(pronouncer):
    phrases = make_phrases([*NAMES, "Katie", "Caity", "Kaity's", "Shavon"])
    found = with_variants(phrases, pronouncer, common=COMMON)
    spelled = [words for entry in found for words in entry.spellings]
    assert len(spelled) == len(set(spelled))
    for before, after in zip(phrases, found, strict=False):
        assert after.spellings[: len(before.spellings)] == before.spellings
        assert (after.display, after.boost, after.lines) == (before.display, before.boost, before.lines)
    assert [entry.display for entry in found if "kaity's" in entry.spellings] == ["Kaity's"]


def test_an_empty_list_has_no_variants(pronouncer):
    assert with_variants((), pronouncer) == ()


@pytest.mark.parametrize("options", [{"most": 0}, {"pronunciations": 0}, {"plural": 0.1}])
def test_senseless_options_are_refused(options):
    with pytest.raises(VariantError):
        VariantOptions(**options)


def test_the_check_shows_how_phrases_are_said_and_which_sound_alike(tmp_path, pronouncer):
    file = tmp_path / "names.txt"
    file.write_text(
        "Siobhan\t\t/SH IH V AO N/\nKaity\nKatie\nNVLink\n\N{CYRILLIC CAPITAL LETTER ZHE}\n", "utf-8"
    )
    rows = check(file, lambda words: list(range(len(words))), ["x"] * 99, COMMON, pronouncer)
    by_text = {row.text: row for row in rows}
    assert by_text["Siobhan"].pronunciations[0] == ("SH", "IH", "V", "AO", "N")
    assert ("n v link", "NVLink") in by_text["NVLink"].variants
    alike = {row.text for row in rows if any(risk.startswith("sounds like") for risk in row.risks)}
    same = pronouncer.pronounce("kaity")[0].phones == pronouncer.pronounce("katie")[0].phones
    assert alike == ({"Kaity", "Katie"} if same else set())
    assert "also heard as: n v link, nv link, " in format_check(rows)
    bare = check(file, lambda _: [0] * 5, ["x"])
    assert all(not row.variants and len(row.pronunciations) <= 1 for row in bare)

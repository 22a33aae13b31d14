"""Every line of a phrase file becomes something that can be heard, or is reported; the order has no say."""

import random
import re
import unicodedata

import pytest

from biasing import phrases
from biasing.normalise import MOST_CHARACTERS, SpellingError, spoken_form
from biasing.phone_set import PHONES
from biasing.phrase_check import check, format_check, risks
from biasing.phrases import Phrase, PhraseError, make_phrases, read_phrases

SPOKEN = re.compile(r"[a-z]+('[a-z]+)*( [a-z]+('[a-z]+)*)*")


def encode(text):
    """A token a letter."""
    return [ord(char) - 95 for char in text.replace(" ", "").replace("'", "`")]


PIECES = ["<unk>", *"'abcdefghijklmnopqrstuvwxyz"]


def only(item):
    """The one entry of a list of one item."""
    phrases = make_phrases([item])
    assert phrases.unusable == ()
    (entry,) = phrases
    return entry


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Siobhán", "siobhan"),
        ("SIOBHA\u0301N", "siobhan"),
        ("O’Brien", "o'brien"),
        ("O´Brien", "o'brien"),
        ("Jean-Luc", "jean luc"),
        ("New  York\u00a0City", "new york city"),
        ("Łódź Straße", "lodz strasse"),
        ("Ｎｏｖａ", "nova"),
        ("Ta\u200bde\u00adusz", "tadeusz"),
        ("\u202bNova\u202c", "nova"),
        ("B12", "b twelve"),
        ("COVID-19", "covid nineteen"),
        ("7th Heaven 1984", "seventh heaven nineteen eighty four"),
        ("007", "zero zero seven"),
        ("1,000,000", "one million"),
        ("3.14", "three point one four"),
        ("10.0.0.1", "one zero zero zero one"),
        ("12345678901234", "one two three four five six seven eight nine zero one two three four"),
        ("٣ Nova", "three nova"),
        ("C++", "c plus plus"),
        ("R&D", "r and d"),
        ("U.S.A.", "u s a"),
    ],
)
def test_phrases_are_put_into_the_alphabet(text, words):
    entry = only(text)
    assert entry.spellings == (words,)
    turned = str.maketrans("", "", "\u202b\u202c")  # which would turn all text after them
    assert entry.display == " ".join(text.translate(turned).split())
    assert entry.notes == ()


def test_the_spoken_form_is_words_or_a_reason_and_does_not_change_again():
    rng = random.Random(1)
    odd = "aZ0é’-' .,\t#:/|🎉שж小\x00\ud800\u202e٣½&%+@_▁9"
    for _ in range(2000):
        text = "".join(rng.choices(odd, k=rng.randint(0, 12)))
        words = _spoken_or_none(text)
        if words is not None:
            assert SPOKEN.fullmatch(words)
            assert spoken_form(words) == (words, "")


def _spoken_or_none(text):
    try:
        return spoken_form(text)[0]
    except SpellingError:
        return None


def test_no_item_is_lost():
    rng = random.Random(2)
    odd = [
        "Nova",
        "nova",
        "",
        " ",
        "\t",
        "\t3",
        "x\t1\t/S/\td\te",
        "a :2",
        "a :b",
        "שלום",
        "🎉",
        "☃ b",
        "7",
        "\x00",
    ]
    items = [rng.choice(odd) + rng.choice(["", "q", "1"]) for _ in range(300)]
    phrases = make_phrases(items)
    places = [line for entry in phrases for line in entry.lines] + [bad.line for bad in phrases.unusable]
    assert sorted(places) == list(range(1, 301))
    assert all(bad.reason and bad.reason.isprintable() and bad.text.isprintable() for bad in phrases.unusable)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("", "empty"),
        ("\t3", "empty"),
        ("🎉 !", "nothing to say"),
        ("שלום", "cannot be written in a-z: ש ל ו ם"),
        ("a\x07b", "U+0007"),
        ("a\ud800b", "U+D800"),
        ("▁no va", "sub-word mark"),
        ("a" * (MOST_CHARACTERS + 1), "1001 characters"),
        ("nova\tmuch", "'much' is no number"),
        ("nova :much", "'much' is no number"),
        ("nova :1\t2", "two boosts"),
        ("nova\tnan", "finite"),
        (Phrase("nova", boost=float("inf")), "finite"),
        ("nova\t\t/N OW XX/", "XX is no ARPAbet phone"),
        ("nova\t\t/N OW", "lacks a slash"),
        ("nova\t\t//", "no phones"),
        ("nova\t\tשל", "cannot be written"),
        ("nova\t\t\tn\x00", "U+0000"),
        ("a\tb\tc\td\te", "5 columns"),
    ],
)
def test_what_cannot_be_used_is_named(item, reason):
    phrases = make_phrases(["good", item])
    assert [entry.display for entry in phrases] == ["good"]
    (bad,) = phrases.unusable
    assert bad.line == 2
    assert reason in bad.reason


def test_a_phrase_of_500_characters_is_one_phrase():
    text = "nova " * 99 + "grids"
    assert len(text) == 500
    assert only(text).spellings == (text,)
    assert any("word for word" in risk for risk in risks(only(text)))


def test_columns_colon_and_phrase_objects_say_the_same():
    line = "Siobhán\t-2.5\tshiv awn|/SH IH0 V AO1 N/ | chevonne\tMs Siobhán"
    phrase = Phrase("Siobhán", -2.5, ["shiv awn", "/sh ih v ao n/|chevonne"], "Ms Siobhán")
    assert make_phrases([line]) == make_phrases([phrase])
    entry = only(line)
    assert entry.spellings == ("siobhan", "chevonne", "shiv awn")
    assert entry.pronunciations == (("SH", "IH", "V", "AO", "N"),)
    assert (entry.boost, entry.display) == (-2.5, "Ms Siobhán")
    assert make_phrases(["NEW YORK :2.0"]) == make_phrases(["NEW YORK\t2"])
    assert make_phrases(["NEW YORK :2.0"]) != make_phrases(["NEW YORK"])


def test_another_script_is_usable_when_it_says_how_it_sounds():
    entry = only("小林\t\tkobayashi")
    assert (entry.display, entry.spellings) == ("小林", ("kobayashi",))
    alone = only("小林\t\t/K OW B AY AH SH IY/")
    assert alone.spellings == ()
    assert any("phones alone" in risk for risk in risks(alone))


def test_duplicates_are_joined_whatever_their_order():
    items = [
        "resume",
        "Résumé\t2",
        "RESUME :1\t\trez oo may",
        Phrase("resume", sounds_like="/R EH Z/"),
        "nova",
        "cv\t\t\tRésumé",
        "小林\t\tkobayashi",
        "Kobayashi",
    ]
    rng = random.Random(3)
    expected = make_phrases(items)
    assert [(entry.display, entry.boost) for entry in expected] == [
        ("Résumé", None),
        ("小林", None),
        ("nova", None),
        ("Résumé", 2.0),
    ]
    assert expected[3].spellings == ("resume", "rez oo may")
    assert "given 4 times" in expected[3].notes[-1]
    for _ in range(20):
        assert make_phrases(rng.sample(items, len(items))) == expected
        assert hash(make_phrases(rng.sample(items, len(items)))) == hash(expected)
    assert make_phrases(items[:-1]) == expected
    assert make_phrases([*items, "more"]) != expected


def test_a_file_is_read_with_mark_comments_and_any_line_ends(tmp_path):
    file = tmp_path / "phrases.txt"
    file.write_bytes("\ufeff# names\r\nSiobhán\r\n\r\n  # more\rKeswick\t3\nשלום".encode())
    phrases = read_phrases(file)
    assert {entry.display: entry.lines for entry in phrases} == {"Siobhán": (2,), "Keswick": (5,)}
    assert [bad.line for bad in phrases.unusable] == [6]
    assert len(read_phrases(_empty(tmp_path))) == 0


def _empty(folder):
    (folder / "empty.txt").write_text("")
    return folder / "empty.txt"


def test_what_is_no_phrase_file_or_list_is_refused_in_one_line(tmp_path):
    (tmp_path / "utf16.txt").write_bytes("nova".encode("utf-16"))
    calls = [
        (lambda: read_phrases(tmp_path / "none.txt"), "No such file"),
        (lambda: read_phrases(tmp_path), "folder"),
        (lambda: read_phrases(tmp_path / "utf16.txt"), "not UTF-8"),
        (lambda: read_phrases("a\x00b"), "cannot be read"),
        (lambda: make_phrases("nova"), "one text"),
        (lambda: make_phrases(["nova", 3]), "phrase 2 is 3"),
        (lambda: Phrase(3), "strings"),
        (lambda: Phrase("x", boost="3"), "number"),
    ]
    for call, message in calls:
        with pytest.raises(PhraseError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_risks_name_short_and_common_phrases():
    assert risks(only("Siobhan"), encode, {"the"}) == ()
    assert "3 letters" in risks(only("Ran"))[0]
    assert "2 tokens" in risks(only("Siobhan"), lambda _: [1, 2])[0]
    assert "common word" in risks(only("There"), encode, {"there"})[0]
    assert "common word" in risks(only("Siobhan\t\tthere"), encode, {"there"})[0]
    assert "forces" in risks(only("Siobhan :9999"))[0]
    assert "# is left out" in risks(only("Csharp#"))[0]


def test_the_check_has_a_row_for_every_line(tmp_path):
    file = tmp_path / "phrases.txt"
    file.write_text("Keswick\t3\n\x07\nO’Brien\t\t/OW B R AY AH N/\nkeswick\nran")
    rows = check(file, encode, PIECES, {"ran"})
    assert [row.lines for row in rows] == [(1, 4), (2,), (3,), (5,)]
    assert rows[0].spellings == (("keswick", tuple("keswick")),)
    text = format_check(rows)
    for part in [
        "line 1, 4: Keswick  boost 3\n    keswick: k e s w i c k\n    note: given 2 times",
        "line 2: UNUSABLE \\x07: has the unprintable character U+0007",
        "    o'brien: o ' b r i e n\n    /OW B R AY AH N/",
        "common word",
        "3 phrases, 2 with a note, 1 unusable",
    ]:
        assert part in text


def test_the_phones_are_39_symbols_that_phone_strings_can_hold():
    assert len(set(PHONES)) == 39
    assert all(unicodedata.category(char) == "Lu" for phone in PHONES for char in phone)


def test_quotes_around_a_phrase_are_not_written() -> None:
    """Nothing of them is heard, so a list that has them would put them around every such word."""
    plain = make_phrases(["of'", "'siobhan'", "“Tadeusz”", "rock 'n' roll", "O'Brien"])
    assert {entry.display for entry in plain} == {"of", "siobhan", "Tadeusz", "rock 'n' roll", "O'Brien"}
    assert make_phrases([Phrase("boss", display="boss'")])[0].display == "boss'"


def test_a_line_is_the_same_phrase_in_every_list() -> None:
    """Also where it was in another list before, in another place."""
    lines = ["Keswick\t3", "O’Brien\t\t/OW B R AY AH N/", "rock 'n' roll :2", "\x07", "Csharp#"]
    make_phrases([*reversed(lines), "new"])
    remembered = make_phrases(lines)
    phrases._entry_of_line.cache_clear()
    fresh = make_phrases(lines)
    assert remembered.entries == fresh.entries
    assert remembered.unusable == fresh.unusable
    assert sorted(entry.lines for entry in remembered) == [(1,), (2,), (3,), (5,)]

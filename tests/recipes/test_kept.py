"""What is kept is made once, also after a stop."""

from recipes.kept import Kept


def test_a_value_is_made_once_and_outlives_its_keeper(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return {"text": "what was said", "number": len(made)}

    file = tmp_path / "folder" / "kept.jsonl"
    for _ in range(2):
        kept = Kept(file)
        for name in "abab":
            assert kept.of(("one", name), make)["text"] == "what was said"
        assert ("one", "a") in kept
        assert ("one",) not in kept
    assert made == [0, 1]
    assert Kept(file).of(("one", "b"), make)["number"] == 2

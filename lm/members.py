"""The words and phrases of a class as a tree of words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lm.vocabulary import Lookahead

ROOT = 0
Member = tuple[Sequence[str], float]


class ClassError(ValueError):
    """Members or options of a class that cannot be used."""


class Members:
    """An immutable tree of the members' words; nodes are numbers, `ROOT` is before the first word.

    Attributes:
        own: weight of the member that ends at each node, 0.0 where none does.
        below: largest weight of the members that go on beyond each node, 0.0 where none does.
        depth: words on the way to each node.
        longest: words of the longest member, 0 if there is none.
    """

    def __init__(self, members: Iterable[Member]) -> None:
        """Take (words, weight) pairs in any order; of members with the same words the heaviest counts.

        Raises:
            ClassError: a member without words, a word that is empty or has a space, or a weight that is not
                positive and finite.
        """
        self.own, self.below, self.depth = [0.0], [0.0], [0]
        self._children: list[dict[str, int] | None] = [None]
        self._lookaheads: dict[int, Lookahead] = {}
        for words, weight in members:
            _check(words, weight)
            self._add(words, weight)
        self.longest = max(self.depth)

    def __len__(self) -> int:
        """How many different members there are."""
        return len(self.own) - self.own.count(0.0)

    def child(self, node: int, word: str) -> int | None:
        """The node that `word` leads to, None if no member goes on with it."""
        children = self._children[node]
        return None if children is None else children.get(word)

    def heaviest(self, node: int, letters: str) -> float:
        """Largest weight of the members that go on after `node` with a word that begins with `letters`.

        It is 0.0 if there is none. The words after a node are sorted when they are first asked for.
        """
        children = self._children[node]
        if children is None:
            return 0.0
        return max(self.lookahead(node)(letters), 0.0)

    def lookahead(self, node: int) -> Lookahead:
        """The words after `node`, each with the largest weight of the members that go on with it."""
        lookahead = self._lookaheads.get(node)
        if lookahead is None:
            children = self._children[node] or {}
            weights = [max(self.own[child], self.below[child]) for child in children.values()]
            lookahead = self._lookaheads[node] = Lookahead(list(children), weights)
        return lookahead

    def _add(self, words: Sequence[str], weight: float) -> None:
        node = ROOT
        for word in words:
            self.below[node] = max(self.below[node], weight)
            children = self._children[node]
            if children is None:
                children = self._children[node] = {}
            child = children.get(word)
            if child is None:
                child = children[word] = len(self.own)
                self.own.append(0.0)
                self.below.append(0.0)
                self.depth.append(self.depth[node] + 1)
                self._children.append(None)
            node = child
        self.own[node] = max(self.own[node], weight)


def _check(words: Sequence[str], weight: float) -> None:
    if isinstance(words, str):
        raise ClassError(f"member {words!r:.60} is one text; give its words, {tuple(words.split())!r:.60}")
    if not words or not all(word and not any(map(str.isspace, word)) for word in words):
        raise ClassError(f"member {tuple(words)!r:.60}: give one word or more, none empty or with a space")
    if not 0 < weight < math.inf:
        raise ClassError(
            f"member {tuple(words)!r:.60} has the weight {weight}; give a finite one above 0, or leave it out"
        )

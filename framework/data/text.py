"""From text to tokens, and from tokens to numbers."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.serialization import file_to_write, write_whole

TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def tokenize(text: str, lower: bool = True) -> list[str]:
    """Split a text into words, numbers and single punctuation marks.

    Parameters
    ----------
    text : str
        Anything.
    lower : bool
        Make it lower-case first.

    Examples
    --------
    >>> tokenize("It's 1980; don't panic!")
    ["it's", '1980', ';', "don't", 'panic', '!']
    """
    if not isinstance(text, str):
        raise TypeError(f"tokenize: expected a str, got {type(text).__name__}")
    return TOKEN.findall(text.lower() if lower else text)


class Vocabulary:
    """Words and their numbers.

    The padding word, if there is one, has number 0, and the unknown word the next.

    Parameters
    ----------
    words : iterable of str
        Each once, in the order of their numbers.
    unknown : str or None
        Stands for every word that is not known; without it such a word is an error.
    padding : str or None
        Fills up short sequences.

    Raises
    ------
    ValueError
        If a word comes twice.
    TypeError
        If a word is not a str.

    Examples
    --------
    >>> vocabulary = Vocabulary(["the", "film"])
    >>> vocabulary.encode(["the", "old", "film"])
    [2, 1, 3]
    >>> vocabulary.decode([2, 1, 3, 0])
    ['the', '<unk>', 'film', '<pad>']
    """

    def __init__(self, words: Iterable[str], unknown: str | None = "<unk>", padding: str | None = "<pad>") -> None:
        special = [word for word in (padding, unknown) if word is not None]
        self.words = (*special, *words)
        self.unknown = unknown
        self.padding = padding
        self._ids: dict[str, int] = {}
        for number, word in enumerate(self.words):
            if not isinstance(word, str):
                raise TypeError(f"Vocabulary: word {number} is a {type(word).__name__}, expected a str")
            if self._ids.setdefault(word, number) != number:
                raise ValueError(f"Vocabulary: the word {word!r} is there twice, as {self._ids[word]} and {number}")

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        min_count: int = 1,
        max_size: int | None = None,
        unknown: str | None = "<unk>",
        padding: str | None = "<pad>",
    ) -> Vocabulary:
        """Make a vocabulary of the most frequent words.

        Parameters
        ----------
        counts : mapping
            How often each word occurs; a :class:`collections.Counter`, say.
        min_count : int
            Leave out rarer words.
        max_size : int, optional
            How many words there shall be at most, the special ones included.
        unknown, padding : str or None
            As for the class.

        Examples
        --------
        >>> Vocabulary.from_counts({"a": 2, "film": 7, "rare": 1}, min_count=2).words
        ('<pad>', '<unk>', 'film', 'a')
        """
        special = {unknown, padding} - {None}
        if max_size is not None and max_size < len(special):
            raise ValueError(
                f"Vocabulary: max_size must be at least {len(special)}, for the special words; got {max_size}"
            )
        kept = [word for word, count in counts.items() if count >= min_count and word not in special]
        # Equal counts in the order of the alphabet: the same counts give the same numbers, however they were taken.
        kept.sort(key=lambda word: (-counts[word], word))
        return cls(kept[: None if max_size is None else max_size - len(special)], unknown, padding)

    @classmethod
    def from_tokens(cls, sequences: Iterable[Iterable[str]], **options: Any) -> Vocabulary:
        """Count the words in sequences of tokens, and go on as :meth:`from_counts`.

        Examples
        --------
        >>> len(Vocabulary.from_tokens([["a", "b"], ["a"]], min_count=2))
        3
        """
        counts: Counter[str] = Counter()
        for tokens in sequences:
            if isinstance(tokens, str):
                raise TypeError(
                    f"Vocabulary: expected sequences of tokens, got the str {tokens[:20]!r}; tokenize it first"
                )
            counts.update(tokens)
        return cls.from_counts(counts, **options)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __getitem__(self, word: str) -> int:
        """The word's number, or that of the unknown word.

        Raises
        ------
        KeyError
            If the word is not known and there is no unknown word.
        """
        number = self._ids.get(word)
        if number is not None:
            return number
        if self.unknown is None:
            raise KeyError(f"Vocabulary: {word!r} is not among the {len(self)} words, and there is no unknown word")
        return self._ids[self.unknown]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self.words, self.unknown, self.padding) == (other.words, other.unknown, other.padding)

    __hash__ = None  # type: ignore[assignment]

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The numbers of the tokens."""
        if isinstance(tokens, str):
            raise TypeError(f"Vocabulary: expected tokens, got the str {tokens[:20]!r}; tokenize it first")
        return [self[token] for token in tokens]

    def decode(self, numbers: Sequence[int]) -> list[str]:
        """The words of the numbers; an IndexError for one that is no word's."""
        for position, number in enumerate(numbers):
            if not 0 <= number < len(self):
                raise IndexError(f"Vocabulary: number {number} at position {position} is outside the {len(self)} words")
        return [self.words[number] for number in numbers]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary as JSON: whole, or not at all."""
        special = [word for word in (self.padding, self.unknown) if word is not None]
        content = {"unknown": self.unknown, "padding": self.padding, "words": list(self.words[len(special) :])}
        write_whole(file_to_write(path), json.dumps(content, indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected a vocabulary as JSON")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a vocabulary: it is no JSON ({error})") from None
        if not isinstance(content, dict) or content.keys() != {"unknown", "padding", "words"}:
            raise ValueError(f"{path}: not a vocabulary: expected an object of 'unknown', 'padding' and 'words'")
        for key in ("unknown", "padding"):
            if not isinstance(content[key], str | None):
                raise ValueError(f"{path}: not a vocabulary: {key!r} must be a string or null")
        if not isinstance(content["words"], list):
            raise ValueError(f"{path}: not a vocabulary: 'words' must be a list")
        try:
            return cls(**content)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a vocabulary: {error}") from None

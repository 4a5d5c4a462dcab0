"""Tokens and vocabularies."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.data import Vocabulary, tokenize

words = st.lists(st.text().filter(lambda word: word not in ("<pad>", "<unk>")), unique=True, max_size=8)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("  \n", []),
        ("A film!", ["a", "film", "!"]),
        ("don't 'quote' it's", ["don't", "'", "quote", "'", "it's"]),
        ("naïve café, 3.5", ["naïve", "café", ",", "3", ".", "5"]),
        ("so-so ...", ["so", "-", "so", ".", ".", "."]),
    ],
)
def test_tokenize(text, tokens):
    assert tokenize(text) == tokens


def test_tokenize_keeps_case_when_asked():
    assert tokenize("A Film", lower=False) == ["A", "Film"]


@given(st.text())
def test_tokens_hold_every_letter_and_no_space(text):
    tokens = tokenize(text, lower=False)
    assert "".join(tokens) == "".join(text.split())
    assert all(token and not any(letter.isspace() for letter in token) for token in tokens)


@given(words)
def test_every_word_has_its_number(known):
    vocabulary = Vocabulary(known)
    assert vocabulary.decode(vocabulary.encode(known)) == known
    assert vocabulary.encode(known) == list(range(2, 2 + len(known)))
    assert len(vocabulary) == len(known) + 2
    assert all(word in vocabulary for word in known)


def test_special_words():
    for unknown, padding, expected in (("?", None, [0, 1]), ("?", "_", [1, 2])):
        vocabulary = Vocabulary(["a"], unknown, padding)
        assert vocabulary.encode(["new", "a"]) == expected
    with pytest.raises(KeyError, match="'new' is not among the 1 words, and there is no unknown word"):
        Vocabulary(["a"], unknown=None, padding=None)["new"]


@given(st.dictionaries(st.text(), st.integers(1, 5), max_size=8), st.integers(0, 4), st.integers(2, 9))
def test_from_counts(counts, min_count, max_size):
    vocabulary = Vocabulary.from_counts(counts, min_count, max_size)
    kept = vocabulary.words[2:]
    assert len(vocabulary) <= max_size
    assert list(kept) == sorted(kept, key=lambda word: (-counts[word], word))
    assert all(counts[word] >= min_count for word in kept)
    left_out = {word for word, count in counts.items() if count >= min_count} - set(kept) - {"<unk>", "<pad>"}
    assert not left_out or len(vocabulary) == max_size
    reordered = dict(reversed(counts.items()))
    assert Vocabulary.from_counts(reordered, min_count, max_size) == vocabulary


def test_from_tokens_and_a_counter():
    stories = [["a", "b"], ["b", "<pad>", "c"]]
    assert Vocabulary.from_tokens(stories).words == ("<pad>", "<unk>", "b", "a", "c")
    assert Vocabulary.from_tokens(stories) == Vocabulary.from_counts(
        Counter(word for story in stories for word in story)
    )


@given(words, st.sampled_from(["<unk>", None]), st.sampled_from(["<pad>", None]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saved_and_loaded(tmp_path, known, unknown, padding):
    vocabulary = Vocabulary(known, unknown, padding)
    vocabulary.save(tmp_path / "words.json")
    assert Vocabulary.load(tmp_path / "words.json") == vocabulary


def test_equality():
    assert Vocabulary(["a"]) != Vocabulary(["b"])
    assert Vocabulary(["a"]) != 3


BAD_CALLS = {
    "no text": (lambda: tokenize(3), TypeError, "expected a str, got int"),
    "a word twice": (lambda: Vocabulary(["a", "b", "a"]), ValueError, "'a' is there twice, as 2 and 4"),
    "a special word again": (lambda: Vocabulary(["<unk>"]), ValueError, "'<unk>' is there twice"),
    "one special word": (lambda: Vocabulary([], "x", "x"), ValueError, "'x' is there twice"),
    "a number": (lambda: Vocabulary([1]), TypeError, "word 2 is a int"),
    "no room": (lambda: Vocabulary.from_counts({}, max_size=1), ValueError, "max_size must be at least 2"),
    "text for sequences": (lambda: Vocabulary.from_tokens(["a text"]), TypeError, "tokenize it first"),
    "text for tokens": (lambda: Vocabulary(["a"]).encode("a text"), TypeError, "tokenize it first"),
    "a number too high": (
        lambda: Vocabulary(["a"]).decode([0, 3]),
        IndexError,
        "number 3 at position 1 is outside",
    ),
    "a negative number": (lambda: Vocabulary(["a"]).decode([-1]), IndexError, "number -1 at position 0"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name):
    call, kind, message = BAD_CALLS[name]
    with pytest.raises(kind, match=message):
        call()


GOOD = {"unknown": "<unk>", "padding": "<pad>", "words": ["a"]}
BAD_FILES = {
    "empty": (b"", "no JSON"),
    "cut off": (json.dumps(GOOD).encode()[:-5], "no JSON"),
    "no text": (b"\xff\xfe\x00", "no JSON"),
    "nested deep": (b"[" * 100_000, "no JSON"),
    "a list": (b"[]", "expected an object"),
    "a number": (b"3", "expected an object"),
    "a key missing": (b'{"words": []}', "expected an object"),
    "a key too many": (json.dumps({**GOOD, "x": 1}).encode(), "expected an object"),
    "words a dict": (json.dumps({**GOOD, "words": {}}).encode(), "'words' must be a list"),
    "words a string": (json.dumps({**GOOD, "words": "abc"}).encode(), "'words' must be a list"),
    "a word a number": (json.dumps({**GOOD, "words": [1]}).encode(), "word 2 is a int"),
    "a word null": (json.dumps({**GOOD, "words": [None]}).encode(), "word 2 is a NoneType"),
    "a word twice": (json.dumps({**GOOD, "words": ["a", "a"]}).encode(), "'a' is there twice"),
    "unknown a number": (json.dumps({**GOOD, "unknown": 1}).encode(), "'unknown' must be a string or null"),
    "padding a list": (json.dumps({**GOOD, "padding": []}).encode(), "'padding' must be a string or null"),
    "padding and unknown alike": (json.dumps({**GOOD, "padding": "<unk>"}).encode(), "'<unk>' is there twice"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, name):
    content, cause = BAD_FILES[name]
    path = tmp_path / "words.json"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file; expected a vocabulary as JSON"):
        Vocabulary.load(tmp_path / "x")

"""bAbI task 1: its files, by ``framework.data.babi``, and stories written with the same grammar."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from framework.data.babi import ARCHIVES as ARCHIVES
from framework.data.babi import MEMBER as MEMBER
from framework.data.babi import SHA256 as SHA256
from framework.data.babi import Example as Example
from framework.data.babi import download_babi as download
from framework.data.babi import read_babi as read_examples
from framework.data.babi import read_babi_lines as read_lines

__all__ = ["Example", "download", "read_examples", "read_lines", "story_lines", "write_stories"]

T = TypeVar("T")

PERSONS = ("Daniel", "John", "Mary", "Sandra")
VERBS = ("went", "journeyed", "travelled", "moved", "went back")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
QUESTIONS_PER_STORY = 5
STATEMENTS_PER_QUESTION = 2
# Measured in the published files: no question reaches further back, and each of these statements is as likely.
QUESTION_REACH = 5


def story_lines(stories: int = 200, seed: int = 0) -> Iterator[str]:
    """Yield the lines of generated stories, drawn as in the published task.

    Each story has five questions, one after every two statements. A statement moves a random person to a random
    place other than where they are; a question asks for the person in one of the last five statements.

    Parameters
    ----------
    stories : int
        Number of stories, of 15 lines each; the published files have 200.
    seed : int
        The same seed gives the same stories on every machine.

    Examples
    --------
    >>> print(next(story_lines(seed=0)))
    1 Sandra travelled to the kitchen.
    """
    if stories < 1:
        raise ValueError(f"stories must be at least 1, got {stories}")
    rng = random.Random(seed)
    for _ in range(stories):
        yield from _story(rng)


def write_stories(path: str | Path, stories: int = 200, seed: int = 0) -> Path:
    """Write generated stories to a file in the task's format; return its path.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made.
    stories, seed
        As for :func:`story_lines`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in story_lines(stories, seed)), encoding="utf-8", newline="\n")
    return path


def _story(rng: random.Random) -> Iterator[str]:
    place_of: dict[str, str] = {}
    said: list[tuple[str, int]] = []
    number = 0
    for _ in range(QUESTIONS_PER_STORY):
        for _ in range(STATEMENTS_PER_QUESTION):
            number += 1
            person = _choose(rng, PERSONS)
            place_of[person] = _choose(rng, [place for place in PLACES if place != place_of.get(person)])
            said.append((person, number))
            yield f"{number} {person} {_choose(rng, VERBS)} to the {place_of[person]}."
        number += 1
        person, _ = _choose(rng, said[-QUESTION_REACH:])
        yield f"{number} Where is {person}? \t{place_of[person]}\t{dict(said)[person]}"


def _choose(rng: random.Random, options: Sequence[T]) -> T:
    # Only random() keeps its stream between Python versions; choice() does not promise to.
    return options[int(rng.random() * len(options))]

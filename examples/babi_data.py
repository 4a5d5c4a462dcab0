"""bAbI task 1 (one supporting fact): read its files, download them, or write stories with the same grammar.

A file is a list of stories, its lines numbered from 1 in each story. A line is a statement, or a question with
its answer and the numbers of the lines that support it, separated by tabs::

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary? 	bathroom	1

Weston et al., *Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks*, 2015 (arXiv:1502.05698).
"""

from __future__ import annotations

import hashlib
import random
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PERSONS = ("Daniel", "John", "Mary", "Sandra")
VERBS = ("went", "journeyed", "travelled", "moved", "went back")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
QUESTIONS_PER_STORY = 5
STATEMENTS_PER_QUESTION = 2
# Measured in the published files: no question reaches further back, and each of these statements is as likely.
QUESTION_REACH = 5

ARCHIVES = (
    "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz",
    "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz",
)
MEMBER = "tasks_1-20_v1-2/en/qa1_single-supporting-fact_{split}.txt"
SHA256 = {
    "train": "c64ba9b1a49bbb111ffc4cd2ae4f129d25c012399dd7ade9679eea464b9afb05",
    "test": "55acf66cef2f6d798e2aa1d056e1ec8f24e910ea9215b639450574321132959b",
}

SECONDS_TO_ANSWER = 10

EXPECTED = "expected 'NUMBER statement' or 'NUMBER question<TAB>answer<TAB>supporting line numbers'"
LINE = re.compile(r"(?P<number>[1-9]\d*) (?P<text>[^\t\0]+)(\t(?P<answer>[^\t\0]+)\t(?P<support>\d+( \d+)*))?")


class Line(NamedTuple):
    """One line of a task file; ``answer`` and ``support`` are empty for a statement."""

    number: int
    text: str
    answer: str
    support: tuple[int, ...]


class Example(NamedTuple):
    """A question with the statements before it; ``support`` holds the positions in ``story`` that answer it."""

    story: tuple[str, ...]
    question: str
    answer: str
    support: tuple[int, ...]


def read_lines(path: str | Path, limit: int | None = None) -> list[list[str]]:
    r"""Return the words of each line, for a language model.

    Lines are lower-cased and split on single spaces, the line number is dropped. A question's answer and
    supporting lines stay together as one word, ``"\tbathroom\t1"``.

    Parameters
    ----------
    path : str or Path
        A task file.
    limit : int, optional
        Read the first ``limit`` lines only.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty or of another format; the message names the line.
    """
    return [text.lower().split(" ")[1:] for text, _ in _parsed_lines(path, limit)]


def read_examples(path: str | Path) -> list[Example]:
    """Return every question of the file with its story so far.

    Parameters
    ----------
    path : str or Path
        A task file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty or of another format, or a question's support is not an earlier statement.
    """
    examples = []
    story: dict[int, str] = {}
    for position, (_, line) in enumerate(_parsed_lines(path), start=1):
        if line.number == 1:
            story = {}
        if not line.answer:
            story[line.number] = line.text
            continue
        if missing := set(line.support) - set(story):
            raise ValueError(f"{path}, line {position}: supporting line {min(missing)} is no earlier statement")
        numbers = list(story)
        support = tuple(numbers.index(number) for number in line.support)
        examples.append(Example(tuple(story.values()), line.text.strip(), line.answer, support))
    return examples


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


def download(split: str = "train", folder: str | Path | None = None) -> Path:
    """Fetch a published file of task 1 once, verify its SHA-256, and return its path.

    Parameters
    ----------
    split : {"train", "test"}
        Which of the two files.
    folder : str or Path, optional
        Where to keep it; by default the user's cache folder.

    Raises
    ------
    ValueError
        If the split is another.
    RuntimeError
        If pooch is not installed, no server can be reached, or what came is not the published file.
    """
    if split not in SHA256:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    try:
        import pooch
    except ModuleNotFoundError:
        raise RuntimeError("downloading bAbI needs pooch: pip install pooch") from None
    folder = Path(folder if folder is not None else pooch.os_cache("framework-babi"))
    target = folder / Path(MEMBER.format(split=split)).name
    if not target.is_file() or _sha256(target.read_bytes()) != SHA256[split]:
        target.write_bytes(_fetch(pooch, split, folder))
    return target


def _fetch(pooch: ModuleType, split: str, folder: Path) -> bytes:
    """The contents of the published file, out of whichever archive can be had."""
    failures = []
    patient = pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER)
    for url in ARCHIVES:
        archive = None
        try:
            archive = Path(pooch.retrieve(url, known_hash=None, path=folder, fname=Path(url).name, downloader=patient))
            with tarfile.open(archive) as tar:
                content = tar.extractfile(MEMBER.format(split=split)).read()
            if _sha256(content) == SHA256[split]:
                return content
            failures.append(f"{url}: wrong SHA-256")
        except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError) as error:
            failures.append(f"{url}: {type(error).__name__}")
        if archive is not None:
            archive.unlink(missing_ok=True)
    raise RuntimeError(f"bAbI could not be downloaded ({'; '.join(failures)}); give a file that you have instead")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _parsed_lines(path: str | Path, limit: int | None = None) -> Iterator[tuple[str, Line]]:
    """Each line as it stands, and parsed; line numbers must run 1, 2, ... within a story."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a bAbI task file")
    raw = path.read_bytes().splitlines()
    if not raw:
        raise ValueError(f"{path}: the file is empty; expected a bAbI task file")
    previous = 0
    for position, content in enumerate(raw[:limit], start=1):
        text = content.decode("utf-8", errors="replace")
        line = _parse(text)
        if line is None:
            raise ValueError(f"{path}, line {position}: not a bAbI line: {text[:40]!r}; {EXPECTED}")
        if line.number not in (1, previous + 1):
            raise ValueError(
                f"{path}, line {position}: numbered {line.number}; expected {previous + 1}, or 1 for a new story"
            )
        previous = line.number
        yield text, line


def _parse(text: str) -> Line | None:
    match = LINE.fullmatch(text)
    if match is None:
        return None
    support = tuple(int(number) for number in (match["support"] or "").split())
    return Line(int(match["number"]), match["text"], match["answer"] or "", support)


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

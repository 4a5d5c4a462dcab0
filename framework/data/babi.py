"""bAbI task 1 (one supporting fact): read its files, or download them.

A file is a list of stories, its lines numbered from 1 in each story. A line is a statement, or a question with
its answer and the numbers of the lines that support it, separated by tabs::

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary? 	bathroom	1

Weston et al., *Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks*, 2015 (arXiv:1502.05698).
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from framework.data.download import SECONDS_TO_ANSWER, import_pooch

ARCHIVES = (
    "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz",
    "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz",
)
MEMBER = "tasks_1-20_v1-2/en/qa1_single-supporting-fact_{split}.txt"
SHA256 = {
    "train": "c64ba9b1a49bbb111ffc4cd2ae4f129d25c012399dd7ade9679eea464b9afb05",
    "test": "55acf66cef2f6d798e2aa1d056e1ec8f24e910ea9215b639450574321132959b",
}

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


def read_babi_lines(path: str | Path, limit: int | None = None) -> list[list[str]]:
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
        If the file is empty or of another format; the message names the line. Or if the limit is below 0.
    """
    return [text.lower().split(" ")[1:] for text, _ in _parsed_lines(path, limit)]


def read_babi(path: str | Path) -> list[Example]:
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


def download_babi(split: str = "train", folder: str | Path | None = None) -> Path:
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
    pooch = import_pooch("bAbI")
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
                content = tar.extractfile(MEMBER.format(split=split)).read()  # type: ignore[union-attr]
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
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be at least 0, got {limit}")
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

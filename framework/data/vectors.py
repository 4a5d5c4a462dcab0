"""Pretrained word vectors, in GloVe's format and in both of word2vec's.

GloVe's is a text with a word and its numbers in each line. word2vec's begins with a line of two numbers, how many words
and how many numbers each; then come such lines, or in the binary one words with little-endian float32 after a space.

Pennington, Socher, Manning, *GloVe: global vectors for word representation*, 2014; Mikolov, Sutskever, Chen, Corrado,
Dean, *Distributed representations of words and phrases and their compositionality*, 2013.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from framework.creation import asarray
from framework.data.download import fetch
from framework.data.text import Vocabulary
from framework.random import Generator, normal
from framework.tensor import Tensor

PUBLISHED = {
    "glove-wiki-gigaword-50": "md5:c289bc5d7f2f02c6dc9f2f9b67641813",
    "glove-wiki-gigaword-100": "md5:40ec481866001177b8cd4cb0df92924f",
    "glove-wiki-gigaword-200": "md5:59652db361b7a87ee73834a6c391dfc1",
    "glove-wiki-gigaword-300": "md5:29e9329ac2241937d55b852e8284e89b",
    "glove-twitter-25": "md5:50db0211d7e7a2dcd362c6b774762793",
    "glove-twitter-50": "md5:c168f18641f8c8a00fe30984c4799b2b",
    "glove-twitter-100": "md5:b04f7bed38756d64cf55b58ce7e97b15",
    "glove-twitter-200": "md5:e52e8392d1860b95d5308a525817d8f9",
    "word2vec-google-news-300": "md5:a5e5354d40acb95f9ec66d5977d140ef",
}
URL = "https://github.com/RaRe-Technologies/gensim-data/releases/download/{name}/{name}.gz"
HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
MAX_DIM = 100_000
MAX_WORD = 10_000
MAX_LINE = 2**24

Record = tuple[str, np.ndarray[Any, Any]]


class WordVectors:
    """Words with a vector each.

    Attributes
    ----------
    words : tuple of str
        In the file's order.
    matrix : ndarray
        (V, D) float32, a row for each word.
    """

    def __init__(self, words: Collection[str], matrix: np.ndarray[Any, Any]) -> None:
        self.words = tuple(words)
        self.matrix = matrix
        self._rows = {word: row for row, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray[Any, Any]:
        """The word's vector (D,); a KeyError if it has none."""
        return self.matrix[self._rows[word]]  # type: ignore[no-any-return]

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.matrix.shape[1])

    def table(self, vocabulary: Vocabulary, generator: Generator | None = None, device: str | None = None) -> Tensor:
        """A row for each word of a vocabulary, for ``Embedding.from_pretrained``.

        Words without a vector get normal numbers of the vectors' spread; the padding word gets zeros.

        Parameters
        ----------
        vocabulary : Vocabulary
            Which words, in which order.
        generator : Generator, optional
            For the words without a vector; the default one if None.
        device : str, optional
            Where the table shall be.

        Returns
        -------
        Tensor
            (len(vocabulary), D) float32.

        Raises
        ------
        ValueError
            If no words were loaded, whose vectors would tell D.
        """
        if not self.words:
            raise ValueError("WordVectors: no words were loaded, so the length of a vector is not known")
        spread = float(self.matrix.std()) if self.matrix.size else 1.0
        rows = normal(
            0.0, spread, (len(vocabulary), self.dim), dtype="float32", device="cpu", generator=generator
        ).numpy()
        for number, word in enumerate(vocabulary.words):
            if word in self._rows:
                rows[number] = self[word]
        if vocabulary.padding is not None:
            rows[vocabulary[vocabulary.padding]] = 0.0
        return asarray(rows, device=device)


def load_vectors(
    source: str | Path, words: Collection[str] | None = None, limit: int | None = None, member: str | None = None
) -> WordVectors:
    """Read word vectors from a file, or download published ones.

    Parameters
    ----------
    source : path-like
        A file in GloVe's or word2vec's format, perhaps compressed by gzip or in a zip; or a name such as
        ``"glove-wiki-gigaword-50"`` or ``"word2vec-google-news-300"``, which is downloaded and verified.
    words : collection of str, optional
        Keep only these, such as a :class:`Vocabulary`'s ``words``.
    limit : int, optional
        Read no more than so many words, which are the most frequent in the published files.
    member : str, optional
        Which file of a zip that holds several.

    Raises
    ------
    FileNotFoundError
        If there is no such file, nor such a name.
    ValueError
        If the file is damaged or of another format; the message names the place.
    RuntimeError
        If the download fails; the message says why.
    """
    path = _find(source)
    wanted = None if words is None else frozenset(words)
    rows: dict[str, np.ndarray[Any, Any]] = {}
    with ExitStack() as stack:
        try:
            file = _opened(path, member, stack)
            for number, (word, row) in enumerate(_records(path, file, wanted)):
                if limit is not None and number >= limit:
                    break
                if wanted is None or word in wanted:
                    rows.setdefault(word, row)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: its compression is damaged or cut off ({error})") from None
        matrix = np.stack(list(rows.values())) if rows else np.zeros((0, 0), np.float32)
    return WordVectors(rows, matrix)


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    if str(source) in PUBLISHED:
        name = str(source)
        return fetch("word-vectors", [URL.format(name=name)], PUBLISHED[name])
    known = ", ".join(PUBLISHED)
    raise FileNotFoundError(f"{source}: no such file; expected a file of word vectors, or one of {known}")


def _opened(path: Path, member: str | None, stack: ExitStack) -> io.BufferedReader:
    raw = stack.enter_context(path.open("rb"))
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == GZIP_MAGIC:
        return io.BufferedReader(stack.enter_context(gzip.GzipFile(fileobj=raw)))
    if magic == ZIP_MAGIC:
        return io.BufferedReader(stack.enter_context(_opened_member(path, raw, member, stack)))
    return raw


def _opened_member(path: Path, raw: io.BufferedReader, member: str | None, stack: ExitStack) -> Any:
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
        return archive.open(_member(path, archive, member))
    except (OSError, NotImplementedError, RuntimeError) as error:
        # What zipfile raises of places outside of the file, of unknown methods, and of encrypted members.
        raise zipfile.BadZipFile(str(error)) from None


def _member(path: Path, archive: zipfile.ZipFile, member: str | None) -> str:
    names = archive.namelist()
    if member is None and len(names) == 1:
        return names[0]
    if member not in names:
        raise ValueError(f"{path}: choose a member of the archive, which has {', '.join(names[:10])}; got {member!r}")
    return str(member)


def _records(path: Path, file: io.BufferedReader, wanted: Collection[str] | None) -> Iterator[Record]:
    first = file.readline(MAX_LINE)
    if not first.strip():
        raise ValueError(f"{path}: the file is empty; expected word vectors")
    header = HEADER.fullmatch(first)
    if header is None:
        dim = len(first.split()) - 1
        yield from _text_records(path, chain([first], _lines(file)), dim, wanted, line_number=1)
        return
    count, dim = int(header[1]), int(header[2])
    if not 0 < dim <= MAX_DIM:
        raise ValueError(f"{path}: the header announces vectors of {dim} numbers; expected 1 to {MAX_DIM}")
    if _is_binary(file):
        records = _binary_records(path, file, count, dim, wanted)
    else:
        records = _text_records(path, _lines(file), dim, wanted, line_number=2)
    number = 0
    for record in records:
        number += 1
        yield record
    if number != count:
        raise ValueError(f"{path}: {number} words where the header announces {count}")


def _is_binary(file: io.BufferedReader) -> bool:
    """Whether what follows is no text, as the bytes of any few real vectors are not; reads nothing."""
    start = file.peek(2**12)[: 2**12]
    try:
        getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return True
    return CONTROL.search(start) is not None


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    return iter(lambda: file.readline(MAX_LINE), b"")


def _text_records(
    path: Path, lines: Iterator[bytes], dim: int, wanted: Collection[str] | None, line_number: int
) -> Iterator[Record]:
    nothing = np.zeros(0, np.float32)
    for number, line in enumerate(lines, start=line_number):
        # Some of GloVe's words have spaces in them: the numbers are the last parts.
        word, *parts = line.decode("utf-8", errors="replace").rstrip().rsplit(" ", dim)
        # Unicode's other kinds of space are words.
        if len(parts) != dim or not dim or not word.strip(" \t"):
            raise ValueError(f"{path}, line {number}: expected a word and {dim or 'some'} numbers, got {line[:40]!r}")
        yield word, nothing if wanted is not None and word not in wanted else _numbers(path, number, parts)


def _numbers(path: Path, line_number: int, parts: list[str]) -> np.ndarray[Any, Any]:
    try:
        values = [float(part) for part in parts]
    except ValueError as error:
        raise ValueError(f"{path}, line {line_number}: {error}") from None
    with np.errstate(over="ignore"):
        row = np.asarray(values, dtype=np.float32)
    if not np.isfinite(row).all():
        raise ValueError(f"{path}, line {line_number}: a number is infinite or not a number in float32")
    return row


def _binary_records(
    path: Path, file: io.BufferedReader, count: int, dim: int, wanted: Collection[str] | None
) -> Iterator[Record]:
    for number in range(1, count + 1):
        word = _word(path, file, number)
        content = file.read(4 * dim)
        if len(content) != 4 * dim:
            raise ValueError(f"{path}: cut off within word {number} of {count}")
        row = np.frombuffer(content, dtype="<f4").astype(np.float32)
        if (wanted is None or word in wanted) and not np.isfinite(row).all():
            raise ValueError(f"{path}: the vector of word {number}, {word!r:.40}, is not of finite numbers")
        yield word, row


def _word(path: Path, file: io.BufferedReader, number: int) -> str:
    letters = bytearray()
    while (letter := file.read(1)) not in (b" ", b""):
        letters += letter
        if len(letters) > MAX_WORD:
            raise ValueError(f"{path}: word {number} has over {MAX_WORD} bytes; the file is damaged, or not word2vec's")
    if not letter:
        raise ValueError(f"{path}: cut off before word {number} ends")
    # A newline may end the record before.
    return letters.lstrip(b"\n").decode("utf-8", errors="replace")

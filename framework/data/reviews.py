"""Film reviews by polarity: 5,331 sentences of praise and as many of blame.

Pang and Lee, *Seeing stars: exploiting class relationships for sentiment categorization*, 2005.
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

from framework.data.download import fetch

URLS = (
    "https://storage.googleapis.com/seldon-datasets/sentence_polarity_v1/rt-polaritydata.tar.gz",
    "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
)
HASH = "sha256:a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9"
FILES = ("rt-polarity.neg", "rt-polarity.pos")


def load_reviews(folder: str | Path | None = None) -> tuple[list[str], list[int]]:
    """Return the sentences, and for each 1 for praise or 0 for blame; those of blame come first.

    Parameters
    ----------
    folder : path-like, optional
        Where ``rt-polarity.neg`` and ``rt-polarity.pos`` lie, or the published archive itself. If not given it is
        downloaded and verified.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or a file is missing.
    ValueError
        If a file is empty or no text, or the archive is damaged.
    RuntimeError
        If the download fails; the message says why.
    """
    source = fetch("film-reviews", URLS, HASH) if folder is None else Path(folder)
    if source.is_dir():
        parts = [read_sentences(source / name) for name in FILES]
    else:
        parts = [_sentences(f"{source}: {name}", content) for name, content in _unpacked(source)]
    return [text for part in parts for text in part], [label for label, part in enumerate(parts) for _ in part]


def read_sentences(path: str | Path) -> list[str]:
    """Return the lines of a text file in UTF-8 or Windows-1252, without blank ones.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If there is no text in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected text, one sentence a line")
    return _sentences(str(path), path.read_bytes())


def _sentences(source: str, content: bytes) -> list[str]:
    if b"\0" in content:
        raise ValueError(f"{source}: not a text file; expected one sentence a line")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    sentences = [line.strip() for line in text.split("\n") if line.strip()]
    if not sentences:
        raise ValueError(f"{source}: the file is empty; expected one sentence a line")
    return sentences


def _unpacked(path: Path) -> list[tuple[str, bytes]]:
    """The two files in the archive, whatever its folder is called."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such folder or file; expected {' and '.join(FILES)}, or their archive")
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            if missing := [name for name in FILES if name not in members]:
                raise ValueError(f"{path}: the archive lacks {' and '.join(missing)}")
            return [(name, archive.extractfile(members[name]).read()) for name in FILES]  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: not an archive, or a damaged one ({type(error).__name__}: {error})") from None

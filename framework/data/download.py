"""Published files: fetched once into the user's cache by pooch, and verified."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

SECONDS_TO_ANSWER = 10


def fetch(what: str, urls: Sequence[str], known_hash: str, folder: str | Path | None = None) -> Path:
    """Return the path of a published file, downloaded unless it is there already.

    Parameters
    ----------
    what : str
        What the file is, for messages and as the name of the cache's folder.
    urls : sequence of str
        Where it can be had; the next is tried when one does not answer.
    known_hash : str
        ``"sha256:..."`` or ``"md5:..."`` of the file.
    folder : path-like, optional
        Where to keep it; the user's cache if not given.

    Raises
    ------
    RuntimeError
        If pooch is not installed, no server can be reached, or what came is not the file.
    """
    pooch = import_pooch(what)
    folder = Path(folder if folder is not None else pooch.os_cache(f"framework-{what.lower()}"))
    patient = pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER)
    failures = []
    for url in urls:
        try:
            return Path(pooch.retrieve(url, known_hash, fname=Path(url).name, path=folder, downloader=patient))
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise RuntimeError(f"{what} could not be downloaded ({'; '.join(failures)}); give a path to files that you have")


def import_pooch(what: str) -> ModuleType:
    """The library that downloads, or an error that says how to install it."""
    try:
        return import_module("pooch")
    except ModuleNotFoundError:
        raise RuntimeError(f"downloading {what} needs pooch: pip install pooch") from None


def _reason(error: Exception) -> str:
    return "wrong checksum" if isinstance(error, ValueError) and "hash" in str(error) else type(error).__name__

"""Handwritten digits, and the IDX format that they come in.

LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*, 1998.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from framework.data.dataset import TensorDataset
from framework.data.download import fetch

SERVERS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
HASHES = {
    "train-images-idx3-ubyte": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"


def load_mnist(split: str = "train", folder: str | Path | None = None) -> TensorDataset:
    """Return the digits as pairs of an image (28, 28) uint8 and its label int64.

    Parameters
    ----------
    split : {"train", "test"}
        60,000 or 10,000 of them.
    folder : path-like, optional
        Where the two IDX files of the split lie, compressed or not. If not given they are downloaded and verified.

    Raises
    ------
    ValueError
        If the split is another, or a file is damaged or does not fit the other.
    FileNotFoundError
        If the folder lacks a file.
    RuntimeError
        If the download fails; the message says why.
    """
    if split not in FILES:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    images, labels = (read_idx(_find(name, folder)) for name in FILES[split])
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"MNIST: expected images (N, height, width) and labels (N,), got shapes {images.shape} and {labels.shape}"
        )
    return TensorDataset(images, labels.astype(np.int64))


def read_idx(path: str | Path) -> np.ndarray[Any, Any]:
    """Read an array from an IDX file, which may be compressed by gzip.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    ndarray
        Of the file's shape and dtype, in native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another format, or its length is not what its header says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected an IDX file")
    with path.open("rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if compressed else raw as file:
            return _read_array(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: its compression is damaged or cut off ({error})") from None


def _read_array(path: Path, file: Any) -> np.ndarray[Any, Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_DTYPES:
        raise ValueError(f"{path}: not an IDX file: it begins with {magic!r}; expected two zero bytes, a type, a rank")
    shape = np.frombuffer(_exactly(path, file, 4 * magic[3]), dtype=">u4").tolist()
    dtype = np.dtype(IDX_DTYPES[magic[2]])
    content = _exactly(path, file, math.prod(shape) * dtype.itemsize)
    if file.read(1):
        raise ValueError(f"{path}: there are bytes after the {tuple(shape)} numbers that its header announces")
    try:
        return np.frombuffer(content, dtype=dtype).astype(dtype.newbyteorder("=")).reshape(shape)
    except ValueError as error:
        raise ValueError(f"{path}: no array has the shape of rank {len(shape)} in its header ({error})") from None


def _exactly(path: Path, file: Any, size: int) -> bytes:
    # Piece by piece: what a header announces is not yet a reason to ask for so much memory.
    pieces, missing = [], size
    while missing and (piece := file.read(min(missing, 2**24))):
        pieces.append(piece)
        missing -= len(piece)
    if missing:
        raise ValueError(f"{path}: cut off: {size - missing} bytes where its header announces {size}")
    return b"".join(pieces)


def _find(name: str, folder: str | Path | None) -> Path:
    if folder is None:
        return fetch("MNIST", [f"{server}{name}.gz" for server in SERVERS], HASHES[name])
    for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{folder}: neither {name} nor {name}.gz is there; expected MNIST's files")

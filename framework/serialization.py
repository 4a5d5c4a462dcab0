"""Saving and loading nested containers of tensors as safetensors, with their structure as JSON beside them.

Nothing in such a file can execute, and any program that reads safetensors reads the tensors by name.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backends import backend_of
from framework.autograd.graph import Variable
from framework.creation import asarray

NATIVE_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64"),
)
READABLE = (
    *("BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"),
    *("F16", "BF16", "F32", "F64", "C64"),
)
METADATA_KEY = "framework"
VERSION = 1
MAX_DEPTH = 100
# What Python reads of a number in text, unless told otherwise.
DIGITS = 4300
LARGEST = 10**DIGITS
# The format allows a header of 100 MB; quoting may double the size of the JSON in it.
MAX_DESCRIPTION = 50_000_000

# What a file begins with when it is something else, and what to do then.
OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip archive, as torch.save and numpy.savez write; convert it with safetensors.torch.save_file"),
    (b"\x80", "a pickle, which can execute code when read; convert it with safetensors.torch.save_file"),
    (b"\x93NUMPY", "a NumPy array; read it with numpy.load"),
    (b"\x89HDF", "an HDF5 file; convert it first"),
    (b"\x1f\x8b", "compressed by gzip; decompress it first"),
    (b"version https://git-lfs", "a Git LFS pointer in place of the file; fetch the file with git lfs pull"),
    (b"<", "a web page or XML; the download went wrong"),
)
# The library's words for what is wrong, and ours.
CAUSES = (
    ("header too small", "it is empty or cut off"),
    ("invalid header length", "it is cut off within its header"),
    ("header too large", "its first eight bytes announce a header of over 100 MB"),
    ("not fully covered", "its length differs from what its header says: it is cut off, or bytes were added"),
    ("invalid UTF-8", "its header is not text"),
    ("invalid JSON", "its header is not the JSON that the format prescribes"),
    ("invalid offset", "its header places a tensor over another, or leaves a gap"),
    ("invalid shape", "a tensor's shape and dtype do not match the bytes it is given"),
    ("overflow", "a tensor's shape is too large to be true"),
)


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write tensors in nested containers to a safetensors file: whole, or not at all.

    The file is written beside its place, flushed to the disk and then renamed, so that a crash at any moment
    leaves the old file or the new one. A tensor's name is its keys joined by dots, ``"model.linear.weight"``.

    Parameters
    ----------
    obj : Tensor, array, dict, list, tuple, str, int, float, bool or None
        Nested to any shape; dict keys are str or int. Arrays come back as tensors. Gradients are not saved.
    path : path-like
        File to write; its folder must exist.

    Raises
    ------
    TypeError
        If something in ``obj`` cannot be saved; the message says where it is.
    ValueError
        If ``obj`` contains itself, is nested over 100 deep, or holds over 50 MB beside its tensors or an integer of
        over 4300 digits.
    OSError
        If the file cannot be written; what was there before is unchanged.
    RuntimeError
        If safetensors is not installed.

    Examples
    --------
    >>> import framework as fw, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.safetensors")
    >>> fw.save({"model": {"weight": fw.Tensor([1.0, 2.0])}, "step": 7}, path)
    >>> fw.load(path)
    {'model': {'weight': Tensor([1., 2.])}, 'step': 7}
    """
    library = _safetensors()
    target = file_to_write(path)
    encoder = _Encoder()
    description = json.dumps({"version": VERSION, "value": encoder.encode(obj, "obj")}, allow_nan=False)
    if len(description) > MAX_DESCRIPTION:
        raise ValueError("save: what lies beside the tensors takes over 50 MB as JSON; put large data into tensors")
    # Hugging Face's loaders refuse files that do not name their layout; names and layouts here are PyTorch's.
    content = library.save(encoder.tensors, metadata={"format": "pt", METADATA_KEY: description})
    write_whole(target, content)


def load(path: str | os.PathLike[str], *, device: str | None = None) -> Any:
    """Read what :func:`save` wrote, or the tensors of any safetensors file as a dict by name.

    Parameters
    ----------
    path : path-like
        A safetensors file.
    device : str, optional
        Where the tensors shall be; the default device if not given.

    Returns
    -------
    Any
        The containers as they were saved; for another program's file a dict of names and tensors.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no file to read.
    ValueError
        If the file is damaged or of another format; the message names the cause.
    TypeError
        If a tensor has a dtype that NumPy cannot hold.
    RuntimeError
        If a library is missing; the message has the command that installs it.
    """
    _safetensors()
    source = Path(path)
    _check_readable(source)
    tensors, metadata = _read(source)
    on_device = {name: asarray(array, device=device) for name, array in tensors.items()}
    description = metadata.get(METADATA_KEY, "")
    if not description.startswith(("{", "[")):
        return on_device  # of another program, whose metadata may hold the key too, as the name of its framework
    return _Decoder(source, on_device).decode_file(description)


# ------------------------------------------------------------------------------------------------ structure
# In the JSON, scalars and lists stand for themselves and every object has one key, which says what it is.
class _Encoder:
    """Takes containers apart: the JSON of their structure, and the tensors by name."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray[Any, Any]] = {}
        self._open: list[int] = []

    def encode(self, obj: Any, where: str, name: str = "") -> Any:
        if isinstance(obj, np.generic) and obj.dtype.kind in "biuf" and obj.itemsize <= 8:
            obj = obj.item()
        if obj is None or isinstance(obj, bool):
            return obj
        if isinstance(obj, str):
            return str(obj)
        if isinstance(obj, int):
            if abs(obj) >= LARGEST:
                raise ValueError(f"save: {where} is an integer of over {DIGITS} digits; expected a smaller one")
            return int(obj)
        if isinstance(obj, float):
            return float(obj) if math.isfinite(obj) else {"float": str(float(obj))}
        if isinstance(obj, Variable) or backend_of(obj) is not None:
            return self._tensor(obj, where, name)
        if isinstance(obj, dict | list | tuple):
            return self._container(obj, where, name)
        hint = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
        expected = "a tensor, dict, list, tuple, str, number, bool or None"
        raise TypeError(f"save: {where} is a {type(obj).__name__}; expected {expected}{hint}")

    def _container(self, obj: Any, where: str, name: str) -> Any:
        if id(obj) in self._open:
            raise ValueError(f"save: {where} contains itself")
        if len(self._open) == MAX_DEPTH:
            raise ValueError(f"save: {where} is nested over {MAX_DEPTH} deep")
        self._open.append(id(obj))
        items = obj.items() if isinstance(obj, dict) else enumerate(obj)
        prefix = f"{name}." if name else ""
        parts = [(self._key(key, where), self.encode(v, f"{where}[{key!r}]", f"{prefix}{key}")) for key, v in items]
        self._open.pop()
        if isinstance(obj, dict):
            return {"dict": dict(parts)} if all(type(key) is str for key, _ in parts) else {"items": parts}
        values = [value for _, value in parts]
        return {"tuple": values} if isinstance(obj, tuple) else values

    @staticmethod
    def _key(key: Any, where: str) -> str | int:
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise TypeError(f"save: the key {key!r} of {where} is a {type(key).__name__}; expected str or int")
        return str(key) if isinstance(key, str) else int(key)

    def _tensor(self, obj: Any, where: str, name: str) -> dict[str, str]:
        found = backend_of(obj)
        dtype = obj.dtype if found is None else found.dtype_of(obj)
        kind = "complex128" if dtype.name == "complex128" else "tensor"
        if kind == "tensor" and dtype.name not in NATIVE_DTYPES:
            raise TypeError(f"save: {where} has dtype {dtype}; expected one of {', '.join(NATIVE_DTYPES)}")
        tensor = obj if isinstance(obj, Variable) else asarray(obj, device="cpu")
        host = np.asarray(tensor.backend.to_numpy(tensor.data), order="C")
        host = host if kind == "tensor" else host[..., None].view(np.float64)
        # A lone surrogate is legal in a Python string, but not in UTF-8.
        name = unique = name.encode("utf-8", "backslashreplace").decode() or "tensor"
        count = 1
        while unique in self.tensors or unique == "__metadata__":
            count += 1
            unique = f"{name}#{count}"
        self.tensors[unique] = host
        return {kind: unique}


class _Decoder:
    """Puts containers together again, and trusts nothing in doing so."""

    KINDS = ("dict", "items", "tuple", "float", "tensor", "complex128")

    def __init__(self, path: Path, tensors: dict[str, Any]) -> None:
        self.path = path
        self.tensors = tensors
        self.unused = set(tensors)

    def decode_file(self, text: str) -> Any:
        try:
            description = json.loads(text, parse_constant=self._refuse_constant)
            version, structure = description["version"], description["value"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._error(f"the structure is not what save writes ({type(error).__name__}: {error})") from None
        if version != VERSION:
            raise self._error(f"the structure has version {version!r}, not {VERSION}; update the framework")
        value = self._decode(structure)
        if self.unused:
            raise self._error(f"the structure has no place for tensor {min(self.unused)!r}")
        return value

    def _decode(self, node: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise self._error(f"the structure is nested over {MAX_DEPTH} deep")
        if isinstance(node, list):
            return [self._decode(part, depth + 1) for part in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise self._error(f"the structure has an object with the keys {sorted(node)}; expected one key")
        ((kind, content),) = node.items()
        if kind not in self.KINDS:
            raise self._error(f"the structure has an object of the unknown kind {kind!r:.60}")
        return getattr(self, f"_{kind}")(content, depth + 1)

    def _dict(self, content: Any, depth: int) -> dict[str, Any]:
        return {key: self._decode(value, depth) for key, value in self._expect(dict, content, "dict").items()}

    def _items(self, content: Any, depth: int) -> dict[Any, Any]:
        for pair in self._expect(list, content, "items"):
            if not (isinstance(pair, list) and len(pair) == 2 and type(pair[0]) in (str, int)):
                raise self._error(f"the structure has {pair!r:.60} in place of a key, str or int, and its value")
        return {key: self._decode(value, depth) for key, value in content}

    def _tuple(self, content: Any, depth: int) -> tuple[Any, ...]:
        return tuple(self._decode(part, depth) for part in self._expect(list, content, "tuple"))

    def _float(self, content: Any, depth: int) -> float:
        if content not in ("nan", "inf", "-inf"):
            raise self._error(f"the structure has the float {content!r:.60}; expected 'nan', 'inf' or '-inf'")
        return float(content)

    def _tensor(self, content: Any, depth: int) -> Any:
        if not isinstance(content, str) or content not in self.unused:
            what = "is used twice" if isinstance(content, str) and content in self.tensors else "is not in the file"
            raise self._error(f"the structure names the tensor {content!r:.60}, which {what}")
        self.unused.remove(content)
        return self.tensors[content]

    def _complex128(self, content: Any, depth: int) -> Any:
        pairs = self._tensor(content, depth)
        if pairs.dtype != np.float64 or pairs.shape[-1:] != (2,):
            raise self._error(f"complex tensor {content!r} is {pairs.dtype} of shape {pairs.shape}, not float64 pairs")
        host = pairs.backend.to_numpy(pairs.data)
        return asarray(np.ascontiguousarray(host).view(np.complex128)[..., 0], device=pairs.device)

    def _expect(self, kind: type, content: Any, tag: str) -> Any:
        if not isinstance(content, kind):
            found = type(content).__name__
            raise self._error(f"the structure has a {tag!r} that holds a {found}, not a {kind.__name__}")
        return content

    def _refuse_constant(self, text: str) -> float:
        raise ValueError(f"{text} is not JSON")

    def _error(self, cause: str) -> ValueError:
        return ValueError(f"load: {self.path}: {cause}")


# ------------------------------------------------------------------------------------------------ files
def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ModuleNotFoundError:
        raise RuntimeError("saving and loading tensors needs safetensors: pip install safetensors") from None
    return safetensors.numpy  # type: ignore[no-any-return]


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"load: {path} is a folder; expected a safetensors file")
    if not path.exists():
        raise FileNotFoundError(f"load: {path}: no such file")
    if not path.is_file():
        raise ValueError(f"load: {path} is not a regular file; expected a safetensors file")


def _read(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """All arrays of the file by name, and its metadata."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        start = file.read(32)
    try:
        with safe_open(path, framework="np") as file:
            return {name: _read_array(file, name, path) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"load: {path} is not a valid safetensors file: {_cause(str(error), start)}") from None
    except OSError as error:
        # Nothing can be mapped into memory that has no bytes.
        if not start:
            raise ValueError(f"load: {path} is not a valid safetensors file: it is empty or cut off") from None
        raise OSError(f"load: {path}: {error}") from error


def _read_array(file: Any, name: str, path: Path) -> np.ndarray[Any, Any]:
    dtype = file.get_slice(name).get_dtype()
    if dtype == "BF16":
        _require_bfloat16(path, name)
    elif dtype not in READABLE:
        raise TypeError(
            f"load: {path}: tensor {name!r} has dtype {dtype}, which NumPy lacks; cast it and save it again"
        )
    array: np.ndarray[Any, Any] = file.get_tensor(name)
    if dtype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise ValueError(f"load: {path}: tensor {name!r} is boolean, but holds bytes other than 0 and 1")
    return array


def _require_bfloat16(path: Path, name: str) -> None:
    try:
        import ml_dtypes  # noqa: F401
    except ModuleNotFoundError:
        raise RuntimeError(
            f"load: {path}: tensor {name!r} is bfloat16, which NumPy has from ml_dtypes: pip install ml_dtypes"
        ) from None


def _cause(library_says: str, start: bytes) -> str:
    for magic, what in OTHER_FORMATS:
        if start.startswith(magic) and start[8:9] != b"{":
            return f"it is {what}"
    words = next((ours for theirs, ours in CAUSES if theirs in library_says), "it is damaged")
    return f"{words} ({library_says})"


def file_to_write(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to, if there is one or can be one."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"save: {target} is a folder; expected a file's path")
    if target.exists() and not target.is_file():
        # A device or a pipe: the new file would take its place.
        raise OSError(f"save: {target} is not a regular file, and would be replaced; expected a file's path")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"save: the folder {target.parent} does not exist; make it first")
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Write the file, or leave everything as it was."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make a rename in the folder outlast a power cut, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

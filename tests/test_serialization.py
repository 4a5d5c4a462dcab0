"""fw.save and fw.load: what goes round, what other programs read, and what broken files are answered with."""

from __future__ import annotations

import json
import os
import stat
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import framework as fw

pytest.importorskip("safetensors")

ROOT = Path(__file__).parents[1]
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


def assert_same(got, expected):
    """Compare nested containers: types, values, dtypes, shapes and the order of keys."""
    if isinstance(expected, fw.Tensor | np.ndarray):
        assert type(got) is fw.Tensor
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.numpy(), np.asarray(expected), strict=True)
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        assert [type(key) for key in got] == [type(key) for key in expected]
        for key in expected:
            assert_same(got[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(got) is type(expected)
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    else:
        assert type(got) is type(expected)
        assert got == expected or (got != got and expected != expected)


# ------------------------------------------------------------------------------------------------ round trips
def test_a_training_checkpoint_comes_back(path):
    checkpoint = {
        "model": {"linear.weight": fw.Tensor([[1.0, 2.0]], requires_grad=True), "bn.num_batches_tracked": fw.Tensor(3)},
        "optimizer": {
            "state": {0: {"step": 5, "exp_avg": np.zeros((2, 3))}},
            "param_groups": [{"betas": (0.9, 0.999)}],
        },
        "random": [2**127 + 1, 40],
        "best": float("inf"),
        "history": [0.5, float("nan"), -0.0],
        "note": "naïve \ud800 text",
        "empty": [{}, [], ()],
        "nothing": None,
    }
    fw.save(checkpoint, path)
    got = fw.load(path)
    assert not got["model"]["linear.weight"].requires_grad
    checkpoint["model"]["linear.weight"] = checkpoint["model"]["linear.weight"].detach()
    assert_same(got, checkpoint)
    assert str(got["history"][2]) == "-0.0"


numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
tensors = hnp.arrays(st.sampled_from(DTYPES), shapes)
trees = st.recursive(
    numbers | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(tree=trees)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_tree_comes_back(tmp_path, tree):
    fw.save(tree, tmp_path / "tree.safetensors")
    assert_same(fw.load(tmp_path / "tree.safetensors"), tree)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (3, 4)])
def test_every_dtype_and_shape(path, dtype, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    fw.save([values], path)
    assert_same(fw.load(path), [values])


def test_every_device(path, device, arrays):
    values = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    fw.save(arrays.make(values), path)
    got = fw.load(path, device=device)
    assert got.device == fw.zeros(0, device=device).device
    np.testing.assert_array_equal(got.cpu().numpy(), values, strict=True)


def test_any_memory_layout(path):
    whole = np.arange(24.0).reshape(4, 6)
    views = [whole.T, whole[::2, ::-1], np.broadcast_to(whole[0], (3, 6)), whole.astype(">f8"), whole.T * 1j]
    fw.save(views, path)
    for got, view in zip(fw.load(path), views, strict=True):
        np.testing.assert_array_equal(got.numpy(), view)
        assert got.dtype.isnative


def test_bfloat16(path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([1.0, -2.5, 3e38], dtype=ml_dtypes.bfloat16)
    fw.save({"w": fw.asarray(values)}, path)
    assert_same(fw.load(path), {"w": values})


def test_a_loaded_tensor_can_be_written(path):
    fw.save({"w": fw.zeros(3)}, path)
    got = fw.load(path)["w"]
    got[0] = 1.0
    assert got.tolist() == [1.0, 0.0, 0.0]
    assert fw.load(path)["w"].tolist() == [0.0, 0.0, 0.0]


def test_names_are_the_keys_joined_and_never_clash(path):
    fw.save(
        {"a": {"b": fw.zeros(1)}, "a.b": fw.ones(2), "l": [fw.zeros(3)], "__metadata__": fw.ones(1), "": fw.ones(4)},
        path,
    )
    import safetensors

    with safetensors.safe_open(path, framework="np") as file:
        assert sorted(file.keys()) == ["__metadata__#2", "a.b", "a.b#2", "l.0", "tensor"]
    got = fw.load(path)
    assert got["a"]["b"].shape == (1,)
    assert got["a.b"].shape == (2,)


# ------------------------------------------------------------------------------------------------ other programs
def test_pytorch_reads_ours_and_we_read_pytorchs(path, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    expected = {
        "a.weight": torch.randn(3, 4),
        "b": torch.arange(5),
        "c": torch.tensor(True),
        "half": torch.ones(2, dtype=torch.float16),
        "complex": torch.ones(2, dtype=torch.complex64),
        "bf": torch.tensor([1.5], dtype=torch.bfloat16),
    }
    save_file(expected, path, metadata={"format": "pt"})
    got = fw.load(path)
    assert got.keys() == expected.keys()
    for name in expected.keys() - {"bf"}:
        np.testing.assert_array_equal(got[name].numpy(), expected[name].numpy(), strict=True)
    assert got["bf"].to("float32").tolist() == [1.5]

    ours = tmp_path / "ours.safetensors"
    fw.save(got, ours)
    back = load_file(ours)
    for name, tensor in expected.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_arrays_of_other_libraries_are_saved(path):
    torch = pytest.importorskip("torch")
    fw.save({"w": torch.arange(3)}, path)
    assert_same(fw.load(path), {"w": np.arange(3)})


def test_metadata_of_another_program_may_have_our_key(path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file({"w": np.ones(2)}, path, metadata={"framework": "pytorch"})
    assert fw.load(path)["w"].tolist() == [1, 1]


def test_a_module_of_pytorch_takes_ours(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    fw.save({"weight": fw.ones((2, 3)), "bias": fw.zeros(2)}, path)
    linear = torch.nn.Linear(3, 2)
    linear.load_state_dict(load_file(path))
    assert linear(torch.ones(3)).tolist() == [3.0, 3.0]


# ------------------------------------------------------------------------------------------------ broken files
def header(description, data=b""):
    if not isinstance(description, bytes):
        description = json.dumps(description).encode()
    return struct.pack("<Q", len(description)) + description + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def ours(value, version=1, tensors=1):
    """Return a file of ours with the given structure and float32 tensors named t0, t1, ..."""
    text = value if isinstance(value, str) else json.dumps({"version": version, "value": value})
    entries = {f"t{i}": entry(offsets=(8 * i, 8 * i + 8)) for i in range(tensors)}
    return header({"__metadata__": {"framework": text}, **entries}, bytes(8 * tensors))


BROKEN = {
    "empty": (b"", "empty or cut off"),
    "shorter than its length field": (b"1234567", "empty or cut off"),
    "no header": (header(b""), "not the JSON"),
    "header cut off": (header({"a": entry()})[:20], "cut off within its header"),
    "data cut off": (header({"a": entry()}, bytes(7)), "cut off, or bytes were added"),
    "no data": (header({"a": entry()}), "cut off, or bytes were added"),
    "bytes added": (header({"a": entry()}, bytes(9)), "cut off, or bytes were added"),
    "huge header": (struct.pack("<Q", 2**62) + b"{}", "over 100 MB"),
    "header of 200 MB": (struct.pack("<Q", 200_000_000) + b"{}", "over 100 MB"),
    "header is no text": (header(b"\xff\xfe{}"), "not text"),
    "header is no JSON": (header(b"hello"), "not the JSON"),
    "NaN in the header": (header(b'{"a": NaN}'), "not the JSON"),
    "header is a list": (header(b"[]"), "not the JSON"),
    "nested deep": (header(b"[" * 100_000 + b"]" * 100_000), "not the JSON"),
    "tensors overlap": (header({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "over another"),
    "gap between tensors": (header({"a": entry(offsets=(4, 12))}, bytes(12)), "leaves a gap"),
    "offsets reversed": (header({"a": entry(offsets=(8, 0))}, bytes(8)), "over another"),
    "offset beyond 64 bits": (header({"a": entry(offsets=(0, 2**70))}, bytes(8)), "not the JSON"),
    "shape against bytes": (header({"a": entry(shape=(3,))}, bytes(8)), "do not match the bytes"),
    "dtype against bytes": (header({"a": entry("F64")}, bytes(8)), "do not match the bytes"),
    "negative length": (header({"a": entry(shape=(-2,))}, bytes(8)), "not the JSON"),
    "fractional length": (header({"a": entry(shape=(2.5,))}, bytes(8)), "not the JSON"),
    "shape overflows": (header({"a": entry(shape=(2**40, 2**40))}, bytes(8)), "too large to be true"),
    "unknown dtype": (header({"a": entry("F33")}, bytes(8)), "F33"),
    "dtype missing": (header({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)), "missing field `dtype`"),
    "metadata is a list": (header({"__metadata__": []}), "not the JSON"),
    "metadata holds a number": (header({"__metadata__": {"framework": 3}}), "not the JSON"),
    "boolean of other bytes": (header({"a": entry("BOOL", offsets=(0, 2))}, b"\x02\x01"), "other than 0 and 1"),
    "a pickle": (b"\x80\x02}q\x00." + bytes(20), "a pickle, which can execute code"),
    "a zip": (b"PK\x03\x04" + bytes(100), "a zip archive, as torch.save"),
    "an npy": (b"\x93NUMPY" + bytes(100), "numpy.load"),
    "an HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "gzipped": (b"\x1f\x8b" + bytes(100), "gzip"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "a web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "structure is no JSON": (ours("{"), "JSONDecodeError"),
    "structure is a list": (ours("[]"), "not what save writes"),
    "structure without a value": (ours('{"version": 1}'), "KeyError: 'value'"),
    "structure with NaN": (ours('{"version": 1, "value": NaN}'), "NaN"),
    "structure with Infinity": (ours('{"version": 1, "value": -Infinity}'), "-Infinity"),
    "structure with a number of 5000 digits": (ours('{"version": 1, "value": ' + "9" * 5000 + "}"), "4300 digits"),
    "structure nested deep": (ours('{"version": 1, "value": ' + "[" * 100_000 + "]" * 100_000 + "}"), "RecursionError"),
    "structure nested over 100": (ours('{"version": 1, "value": ' + "[" * 200 + "]" * 200 + "}"), "over 100 deep"),
    "another version": (ours({"tensor": "t0"}, version=2), "version 2, not 1"),
    "unknown kind": (ours({"object": "os.system"}), "unknown kind 'object'"),
    "kind like a method": (ours({"error": "x"}), "unknown kind 'error'"),
    "two kinds": (ours({"tensor": "t0", "dict": {}}), "expected one key"),
    "no kind": (ours({}), "expected one key"),
    "tensor not in the file": (ours({"tensor": "u"}), "'u', which is not in the file"),
    "tensor's name a list": (ours({"tensor": ["t0"]}), "is not in the file"),
    "tensor used twice": (ours([{"tensor": "t0"}, {"tensor": "t0"}]), "'t0', which is used twice"),
    "tensor without a place": (ours([{"tensor": "t0"}], tensors=2), "no place for tensor 't1'"),
    "float by an unknown name": (ours({"float": "1e5"}), "expected 'nan', 'inf' or '-inf'"),
    "dict that is a list": (ours({"dict": []}), "holds a list, not a dict"),
    "items that are a dict": (ours({"items": {}}), "holds a dict, not a list"),
    "items with a list as key": (ours({"items": [[[], 1]]}), "in place of a key"),
    "items that are no pairs": (ours({"items": [[1, 2, 3]]}), "in place of a key"),
    "tuple that is a string": (ours({"tuple": "ab"}), "holds a str, not a list"),
    "complex of float32": (ours({"complex128": "t0"}), "not float64 pairs"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_cause(path, name):
    content, cause = BROKEN[name]
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        fw.load(path)
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_one_of_the_documented_errors_or_harmless(tmp_path, data):
    whole = tmp_path / "whole.safetensors"
    fw.save({"w": fw.ones((2, 3)), "n": [1, (2.0, float("inf"))], "m": {3: np.array([True, False])}}, whole)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ValueError, TypeError):
        fw.load(damaged)


def test_every_truncation_is_refused(path, tmp_path):
    fw.save({"w": fw.ones(3), "step": 1}, path)
    content = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut"):
            fw.load(cut)


def test_a_dtype_that_numpy_lacks(path):
    path.write_bytes(header({"w8": entry("F8_E4M3", offsets=(0, 2))}, bytes(2)))
    with pytest.raises(TypeError, match=r"'w8' has dtype F8_E4M3, which NumPy lacks"):
        fw.load(path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        fw.load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        fw.load(tmp_path)
    with pytest.raises(TypeError):
        fw.load(3)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="not a regular file"):
            fw.load(tmp_path / "pipe")


def test_an_unknown_device_is_refused(path):
    fw.save({"w": fw.ones(3)}, path)
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        fw.load(path, device="tpu")


# ------------------------------------------------------------------------------------------------ what cannot be saved
class Model:
    def state_dict(self):
        return {}


def _deep(depth):
    tree = []
    for _ in range(depth):
        tree = [tree]
    return tree


UNSAVABLE = {
    "a module": ({"model": Model()}, TypeError, r"obj\['model'\] is a Model; .*; save its state_dict\(\)"),
    "a function": ([len], TypeError, r"obj\[0\] is a builtin_function_or_method"),
    "a set": ({"a": {"b": {1}}}, TypeError, r"obj\['a'\]\['b'\] is a set"),
    "bytes": (b"x", TypeError, "obj is a bytes"),
    "a complex number": (1j, TypeError, "obj is a complex"),
    "a key of another type": ({"a": {1.5: 0}}, TypeError, r"the key 1.5 of obj\['a'\] is a float"),
    "a boolean key": ({True: 0}, TypeError, "the key True of obj is a bool"),
    "an object array": ({"a": np.array([None])}, TypeError, "dtype object"),
    "a structured array": ({"a": [np.zeros(2, "i4,f4")]}, TypeError, r"obj\['a'\]\[0\] has dtype .*i4"),
    "an array of strings": ({"a": np.array(["x"])}, TypeError, "dtype <U1"),
    "an array of dates": ({"a": np.zeros(2, "M8[s]")}, TypeError, r"dtype datetime64\[s\]"),
    "an integer of 5000 digits": (
        {"a": [-(10**5000)]},
        ValueError,
        r"obj\['a'\]\[0\] is an integer of over 4300 digits",
    ),
    "too deep": (_deep(101), ValueError, "nested over 100 deep"),
    "too large": ("x" * 50_000_001, ValueError, "over 50 MB"),
}


@pytest.mark.parametrize("name", UNSAVABLE)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(path, name):
    obj, kind, message = UNSAVABLE[name]
    fw.save({"step": 1}, path)
    with pytest.raises(kind, match=message):
        fw.save(obj, path)
    assert fw.load(path) == {"step": 1}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_arrays_of_another_byte_order_are_saved_in_ours(path):
    for dtype in ("int16", "float64", "complex128"):
        array = np.arange(3, dtype=np.dtype(dtype).newbyteorder())
        fw.save({"a": array}, path)
        loaded = fw.load(path)["a"]
        assert loaded.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(loaded.numpy(), array)


def test_what_contains_itself_is_refused(path):
    loop = {"a": []}
    loop["a"].append(loop)
    with pytest.raises(ValueError, match=r"obj\['a'\]\[0\] contains itself"):
        fw.save(loop, path)
    twice = [1]
    fw.save([twice, twice], path)
    assert fw.load(path) == [[1], [1]]


# ------------------------------------------------------------------------------------------------ whole or not at all
def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        fw.save({}, tmp_path / "missing" / "file")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        fw.save({}, tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for save in (lambda path: fw.save({}, path), fw.data.Vocabulary(["a"]).save):
        with pytest.raises(OSError, match="pipe is not a regular file, and would be replaced"):
            save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(path, monkeypatch, step):
    fw.save({"step": 1}, path)

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        fw.save({"step": 2}, path)
    monkeypatch.undo()
    assert fw.load(path) == {"step": 1}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_data_is_on_the_disk_before_the_name_and_the_name_after(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(source, target):
        calls.append("rename")
        assert Path(source).parent == Path(target).parent
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    fw.save({"step": 1}, path)
    assert calls == ["file", "rename", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_at_any_moment_leaves_a_whole_file(path):
    code = """
import sys
import framework as fw
w = fw.zeros(200_000)
for step in range(100_000):
    fw.save({"w": w + float(step), "step": step}, sys.argv[1])
    if step == 0:
        print("saved", flush=True)
"""
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        for _ in range(20):
            got = fw.load(path)
            assert (got["w"] == float(got["step"])).all()
        process.kill()
        process.wait()
        process.stdout.close()
        got = fw.load(path)
        assert (got["w"] == float(got["step"])).all()


@pytest.mark.skipif(os.name == "nt", reason="modes and links of Unix")
def test_the_file_has_the_mode_that_the_user_asks_for_and_links_are_followed(tmp_path):
    old = os.umask(0o027)
    try:
        fw.save({}, tmp_path / "real")
    finally:
        os.umask(old)
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fw.save({"step": 2}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert fw.load(tmp_path / "real") == {"step": 2}


# ------------------------------------------------------------------------------------------------ libraries
@pytest.mark.parametrize("call", [lambda path: fw.save({}, path), fw.load])
def test_without_safetensors_the_command_is_named(path, monkeypatch, call):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(RuntimeError, match="pip install safetensors"):
        call(path)


def test_without_ml_dtypes_the_command_is_named(path, monkeypatch):
    path.write_bytes(header({"w": entry("BF16", offsets=(0, 4))}, bytes(4)))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(RuntimeError, match=r"'w' is bfloat16.*pip install ml_dtypes"):
        fw.load(path)

"""Named data sets: read from local paths, downloaded once and verified, and refused where they are broken."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import os
import struct
import sys
import tarfile
import threading
import zipfile
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import framework as fw
from framework.data import Vocabulary, load_mnist, load_reviews, load_vectors, read_idx, read_sentences
from framework.data import mnist as mnist_module
from framework.data import reviews as reviews_module
from framework.data import vectors as vectors_module
from framework.data.download import fetch
from framework.random import Generator

# ------------------------------------------------------------------------------------------------ IDX
CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(array):
    array = np.asarray(array)
    head = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 5), ()])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_idx(tmp_path, dtype, shape, compress):
    array = (np.arange(np.prod(shape, dtype=int)) - 2).astype(dtype).reshape(shape)
    (tmp_path / "file").write_bytes(compress(idx(array)))
    got = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(got, array, strict=True)
    assert got.dtype.isnative


IMAGES, LABELS = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28), np.array([3, 7], np.uint8)


def write_mnist(folder, images=IMAGES, labels=LABELS, suffix=""):
    compress = gzip.compress if suffix else bytes
    for name, array in zip(mnist_module.FILES["test"], (images, labels), strict=True):
        (folder / f"{name}{suffix}").write_bytes(compress(idx(array)))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_from_a_folder(tmp_path, suffix):
    write_mnist(tmp_path, suffix=suffix)
    data = load_mnist("test", tmp_path)
    images, labels = data.batch([1, 0])
    np.testing.assert_array_equal(images.numpy(), IMAGES[::-1], strict=True)
    assert labels.tolist() == [7, 3]
    assert labels.dtype == fw.int64


GOOD_IDX = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
BAD_IDX = {
    "empty": (b"", "not an IDX file"),
    "three bytes": (b"\0\0\x08", "not an IDX file"),
    "text": (b"hello world", "begins with b'hell'"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "not an IDX file"),
    "an unknown type": (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
    "no first zeros": (b"\1" + GOOD_IDX[1:], "not an IDX file"),
    "shape cut off": (GOOD_IDX[:9], "cut off: 5 bytes where its header announces 8"),
    "data cut off": (GOOD_IDX[:-1], "cut off: 5 bytes where its header announces 6"),
    "no data": (GOOD_IDX[:12], "cut off: 0 bytes"),
    "bytes added": (GOOD_IDX + b"x", "bytes after the (2, 3) numbers"),
    "a shape without end": (b"\0\0\x08\x03" + b"\xff" * 12 + b"data", "cut off: 4 bytes where"),
    "rank 65": (b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"x", "no array has the shape of rank 65"),
    "no numbers, but too many": (b"\0\0\x08\x03" + bytes(4) + b"\xff" * 8, "no array has the shape of rank 3"),
    "rank 255": (b"\0\0\x08\xff" + b"\0" * 8, "cut off: 8 bytes where its header announces 1020"),
    "gzip cut off": (gzip.compress(idx(np.arange(99.0)))[:-10], "damaged or cut off"),
    "gzip damaged": (
        gzip.compress(GOOD_IDX)[:12] + b"\xff\xff\xff" + gzip.compress(GOOD_IDX)[15:],
        "damaged or cut off",
    ),
    "gzip of text": (gzip.compress(b"hello"), "not an IDX file"),
    "gzip of nothing": (gzip.compress(b""), "not an IDX file"),
    "only gzip's magic": (b"\x1f\x8b", "damaged or cut off"),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_bad_idx_files(tmp_path, name):
    content, cause = BAD_IDX[name]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)


def test_bad_mnist(tmp_path):
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        load_mnist("valid", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"neither t10k-images-idx3-ubyte nor .*\.gz is there"):
        load_mnist("test", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file; expected an IDX file"):
        read_idx(tmp_path)
    for images, labels in ((IMAGES[:1], LABELS), (IMAGES, IMAGES), (LABELS, LABELS)):
        write_mnist(tmp_path, images, labels)
        with pytest.raises(ValueError, match=r"expected images \(N, height, width\) and labels \(N,\), got shapes"):
            load_mnist("test", tmp_path)


# ------------------------------------------------------------------------------------------------ film reviews
def tar_of(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"rt-polaritydata/rt-polarity.{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_reviews_from_a_folder_and_from_the_archive(tmp_path):
    files = {"neg": b"bad \x96 film .\n\nso dull .", "pos": "crème de la crème .\n".encode()}
    for name, content in files.items():
        (tmp_path / f"rt-polarity.{name}").write_bytes(content)
    expected = ["bad – film .", "so dull .", "crème de la crème ."], [0, 0, 1]
    assert load_reviews(tmp_path) == expected
    (tmp_path / "rt.tar.gz").write_bytes(tar_of(**files))
    assert load_reviews(tmp_path / "rt.tar.gz") == expected


BAD_REVIEWS = {
    "missing folder": ({}, "nowhere", FileNotFoundError, "no such folder or file"),
    "missing file": ({"rt-polarity.neg": b"x"}, "", FileNotFoundError, "rt-polarity.pos: no such file"),
    "empty file": (
        {"rt-polarity.neg": b"x", "rt-polarity.pos": b""},
        "",
        ValueError,
        "rt-polarity.pos: the file is empty",
    ),
    "blank file": (
        {"rt-polarity.neg": b"\n \n", "rt-polarity.pos": b"x"},
        "",
        ValueError,
        "rt-polarity.neg: the file is empty",
    ),
    "binary file": ({"rt-polarity.neg": b"\0\1", "rt-polarity.pos": b"x"}, "", ValueError, "not a text file"),
    "not an archive": ({"file": b"x"}, "file", ValueError, "not an archive"),
    "empty archive": ({"file": tar_of()}, "file", ValueError, "lacks rt-polarity.neg and rt-polarity.pos"),
    "half an archive": ({"file": tar_of(neg=b"x")}, "file", ValueError, "lacks rt-polarity.pos"),
    "archive cut off": ({"file": tar_of(neg=b"x" * 99, pos=os.urandom(999))[:-300]}, "file", ValueError, "damaged"),
    "empty in archive": ({"file": tar_of(neg=b"x", pos=b"")}, "file", ValueError, "rt-polarity.pos: the file is empty"),
}


@pytest.mark.parametrize("name", BAD_REVIEWS)
def test_bad_reviews(tmp_path, name):
    files, source, kind, cause = BAD_REVIEWS[name]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    with pytest.raises(kind, match=cause) as caught:
        load_reviews(tmp_path / source)
    assert str(tmp_path) in str(caught.value)


def test_sentences_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file; expected text"):
        read_sentences(tmp_path / "x")


# ------------------------------------------------------------------------------------------------ word vectors
WORDS = ["the", "naïve", "film"]
MATRIX = np.array([[0.5, -1.25], [3.0, 0.0], [1e-3, 7.0]], np.float32)


def glove(words=WORDS, matrix=MATRIX, header=False):
    lines = [f"{len(words)} {matrix.shape[1]}"] * header
    lines += [" ".join([word, *(repr(float(x)) for x in row)]) for word, row in zip(words, matrix, strict=True)]
    return "".join(f"{line}\n" for line in lines).encode()


def word2vec(words=WORDS, matrix=MATRIX, newline=b"\n"):
    records = [
        word.encode() + b" " + row.astype("<f4").tobytes() + newline for word, row in zip(words, matrix, strict=True)
    ]
    return f"{len(words)} {matrix.shape[1]}\n".encode() + b"".join(records)


def zip_of(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, glove())
    return buffer.getvalue()


def patched(content, marker, offset, new):
    """Return the content with other bytes so far behind the beginning of a marker."""
    start = content.index(marker) + offset
    return content[:start] + new + content[start + len(new) :]


FORMATS = {
    "glove": glove(),
    "glove without last newline": glove()[:-1],
    "word2vec text": glove(header=True),
    "word2vec binary": word2vec(),
    "word2vec binary without newlines": word2vec(newline=b""),
    "gzipped text": gzip.compress(glove()),
    "gzipped binary": gzip.compress(word2vec()),
    "zipped": zip_of("glove.6B.2d.txt"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_word_vectors(tmp_path, name):
    path = tmp_path / "vectors"
    path.write_bytes(FORMATS[name])
    got = load_vectors(path)
    assert got.words == tuple(WORDS)
    assert (len(got), got.dim) == (3, 2)
    np.testing.assert_array_equal(got.matrix, MATRIX, strict=True)
    np.testing.assert_array_equal(got["film"], MATRIX[2])
    assert "film" in got
    assert "x" not in got
    assert load_vectors(path, limit=2).words == tuple(WORDS[:2])
    some = load_vectors(path, words=["film", "other"])
    assert some.words == ("film",)
    np.testing.assert_array_equal(some.matrix, MATRIX[2:])
    assert len(load_vectors(path, words=[])) == 0


@given(
    st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), min_size=1, max_size=5, unique=True),
    st.integers(1, 4),
    st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_format_holds_the_same(tmp_path, words, dim, data):
    size = len(words) * dim
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    numbers = data.draw(st.lists(finite, min_size=size, max_size=size))
    # A last column of ones: a few chosen bytes alone might look like text.
    matrix = np.hstack([np.asarray(numbers, np.float32).reshape(-1, dim), np.ones((len(words), 1), np.float32)])
    binary = word2vec(words, matrix)
    for content in (glove(words, matrix, header=True), gzip.compress(binary)):
        (tmp_path / "vectors").write_bytes(content)
        got = load_vectors(tmp_path / "vectors")
        assert got.words == tuple(words)
        np.testing.assert_array_equal(got.matrix, matrix)


def test_words_with_spaces_and_repeated_words(tmp_path):
    (tmp_path / "vectors").write_bytes(b"a 1 2\n. . . 3 4\na 5 6\n")
    got = load_vectors(tmp_path / "vectors")
    assert got.words == ("a", ". . .")
    assert got.matrix.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("space", ["\x85", "\xa0", "\u2028"])
def test_a_space_of_another_kind_is_a_word(tmp_path, space):
    (tmp_path / "vectors").write_text(f"the 1 2\n{space} 3 4\n", encoding="utf-8", newline="\n")
    assert load_vectors(tmp_path / "vectors").words == ("the", space)


def test_a_member_of_a_zip(tmp_path):
    path = tmp_path / "glove.zip"
    path.write_bytes(zip_of("a.txt", "b.txt"))
    assert load_vectors(path, member="b.txt").words == tuple(WORDS)
    for member in (None, "c.txt"):
        with pytest.raises(ValueError, match=r"choose a member of the archive, which has a.txt, b.txt"):
            load_vectors(path, member=member)


def test_a_table_for_a_vocabulary(tmp_path):
    (tmp_path / "vectors").write_bytes(glove())
    vectors = load_vectors(tmp_path / "vectors")
    vocabulary = Vocabulary(["film", "new", "the"])
    table = vectors.table(vocabulary, Generator(0))
    assert table.dtype == fw.float32
    assert table.shape == (5, 2)
    rows = table.numpy()
    np.testing.assert_array_equal(rows[0], [0, 0])
    np.testing.assert_array_equal(rows[[2, 4]], MATRIX[[2, 0]])
    assert (rows[[1, 3]] != 0).all()
    np.testing.assert_array_equal(rows, vectors.table(vocabulary, Generator(0)).numpy())
    assert vectors.table(Vocabulary(["x"], None, None), Generator(0), device="strict").device == "strict"


def test_no_vectors_make_no_table(tmp_path):
    (tmp_path / "vectors").write_bytes(glove())
    with pytest.raises(ValueError, match="no words were loaded"):
        load_vectors(tmp_path / "vectors", words=["x"]).table(Vocabulary(["x"]))


BAD_VECTORS = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n", "the file is empty"),
    "only words": (b"the\nfilm\n", "line 1: expected a word and some numbers"),
    "a number missing": (b"the 1 2\nfilm 1\n", "line 2: expected a word and 2 numbers"),
    "words for numbers": (b"the 1 2\nfilm 1 two\n", "line 2: could not convert string to float: 'two'"),
    "prose": (b"To be or not to be\n", "line 1: could not convert string to float"),
    "nan": (b"the 1 nan\n", "line 1: a number is infinite or not a number"),
    "infinity": (b"the 1 inf\n", "line 1: a number is infinite"),
    "overflow": (b"the 1 1e400\n", "line 1: a number is infinite"),
    "overflow in float32": (b"the 1 1e39\n", "line 1: a number is infinite"),
    "no word": (b"the 1 2\n 3 4\n", "line 2: expected a word and 2 numbers"),
    "a blank line": (b"the 1 2\n\nfilm 3 4\n", "line 2: expected a word and 2 numbers"),
    "too few words": (b"3 2\nthe 1 2\nfilm 3 4\n", "2 words where the header announces 3"),
    "too many words": (b"1 2\nthe 1 2\nfilm 3 4\n", "2 words where the header announces 1"),
    "header against lines": (b"2 3\nthe 1 2\nfilm 3 4\n", "line 2: expected a word and 3 numbers"),
    "header alone": (b"5 3\n", "0 words where the header announces 5"),
    "no numbers announced": (b"5 0\nthe\n", "vectors of 0 numbers"),
    "a header without end": (b"999999999999 999999999999\nthe 1\n", "vectors of 999999999999 numbers"),
    "binary cut off in a vector": (word2vec()[:-3], "cut off within word 3 of 3"),
    "binary cut off in a word": (word2vec()[:-10], "cut off before word 3 ends"),
    "binary with more words announced": (b"9" + word2vec()[1:], "cut off before word 4 ends"),
    "binary of nan": (
        word2vec(matrix=np.array([[1, np.nan]] * 3, np.float32)),
        "word 1, 'the', is not of finite numbers",
    ),
    "binary of noise": (b"9 3\n" + b"\xff\xfe" * 9000, "word 1 has over 10000 bytes"),
    "gzip cut off": (gzip.compress(glove() * 99)[:-9], "damaged or cut off"),
    "gzip damaged": (gzip.compress(glove())[:12] + b"\xff\xff\xff" + gzip.compress(glove())[15:], "damaged or cut off"),
    "gzip of nothing": (gzip.compress(b""), "the file is empty"),
    "zip cut off": (zip_of("a.txt")[:-30], "damaged or cut off"),
    "zip with a place outside": (patched(zip_of("a.txt"), b"PK\5\6", 16, b"\xff\xff\xff\0"), "damaged or cut off"),
    "zip of an unknown method": (patched(zip_of("a.txt"), b"PK\1\2", 10, b"\x63\0"), "method is not supported"),
    "an encrypted zip": (patched(zip_of("a.txt"), b"PK\1\2", 8, b"\1"), "encrypted"),
    "zip of nothing": (b"PK\x03\x04", "damaged or cut off"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "line 1"),
    "JSON": (b'{"the": [1, 2]}\n', "line 1: could not convert"),
    "a web page": (b"<!DOCTYPE html>\n<html>\n", "line 1: could not convert"),
    "comma-separated": (b"the,1,2\nfilm,3,4\n", "line 1: expected a word and some numbers"),
}


@pytest.mark.parametrize("name", BAD_VECTORS)
def test_bad_vectors(tmp_path, name):
    content, cause = BAD_VECTORS[name]
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        load_vectors(path)
    assert str(path) in str(caught.value)
    assert cause in str(caught.value)


def test_missing_vectors_name_what_can_be_had(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file; expected a file of word vectors, or one of glove-wiki"):
        load_vectors(tmp_path / "x")


# ------------------------------------------------------------------------------------------------ downloading
@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve ``tmp_path / "www"`` on this machine; the cache is another folder."""
    pooch = pytest.importorskip("pooch")
    folder = tmp_path / "www"
    folder.mkdir()
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    pooch.get_logger().setLevel("ERROR")

    class Handler(http.server.SimpleHTTPRequestHandler):
        asked: ClassVar = []

        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, form, *args):
            self.asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}", Handler.asked
        server.shutdown()
        thread.join()


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_each_named_set_is_downloaded_once_and_verified(server, monkeypatch):
    folder, url, asked = server
    write_mnist(folder, suffix=".gz")
    monkeypatch.setattr(mnist_module, "SERVERS", ("http://127.0.0.1:9/", f"{url}/"))
    for name in mnist_module.FILES["test"]:
        monkeypatch.setitem(mnist_module.HASHES, name, sha256((folder / f"{name}.gz").read_bytes()))
    (folder / "rt.tar.gz").write_bytes(tar_of(neg=b"bad", pos=b"good"))
    monkeypatch.setattr(reviews_module, "URLS", (f"{url}/rt.tar.gz",))
    monkeypatch.setattr(reviews_module, "HASH", sha256((folder / "rt.tar.gz").read_bytes()))
    (folder / "glove-twitter-25.gz").write_bytes(gzip.compress(glove()))
    monkeypatch.setattr(vectors_module, "URL", f"{url}/{{name}}.gz")
    monkeypatch.setitem(
        vectors_module.PUBLISHED, "glove-twitter-25", sha256((folder / "glove-twitter-25.gz").read_bytes())
    )
    for _ in range(2):
        assert len(load_mnist("test")) == 2
        assert load_reviews() == (["bad", "good"], [0, 1])
        assert load_vectors("glove-twitter-25").words == tuple(WORDS)
    assert len(asked) == 4


def test_another_file_than_published_is_refused(server):
    folder, url, _ = server
    (folder / "file").write_bytes(b"other")
    with pytest.raises(RuntimeError, match=r"Toys could not be downloaded \(.*wrong checksum\); give a path to files"):
        fetch("Toys", [f"{url}/file"], sha256(b"right"))


def test_without_a_server_one_line_says_what_to_do(server, tmp_path):
    _, url, _ = server
    with pytest.raises(
        RuntimeError, match=r"could not be downloaded .*HTTPError.*ConnectionError.*give a path"
    ) as caught:
        fetch("Toys", [f"{url}/missing", "http://127.0.0.1:9/file"], sha256(b"right"))
    assert "\n" not in str(caught.value)


def test_without_pooch_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    for load in (load_mnist, load_reviews, lambda: load_vectors("glove-twitter-25")):
        with pytest.raises(RuntimeError, match="pip install pooch"):
            load()

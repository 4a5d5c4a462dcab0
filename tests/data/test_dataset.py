"""Data sets, splits, and from samples to batches."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import framework as fw
from framework.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
    pad_collate,
    random_split,
)
from framework.random import Generator


# ------------------------------------------------------------------------------------------------ data sets
def test_tensor_dataset(arrays):
    x, y = np.arange(12.0).reshape(4, 3), np.arange(4)
    data = TensorDataset(arrays.make(x), arrays.make(y))
    assert len(data) == 4
    np.testing.assert_array_equal(data[2][0].cpu().numpy(), x[2])
    for indices in ([3, 0, 3], [], [-1]):
        got = data.batch(indices)
        np.testing.assert_array_equal(got[0].cpu().numpy(), x[indices].reshape(-1, 3), strict=True)
        np.testing.assert_array_equal(got[1].cpu().numpy(), y[np.asarray(indices, int)], strict=True)


def test_a_batch_of_rows_is_what_collating_them_gives():
    data = TensorDataset(np.arange(12.0).reshape(4, 3), np.arange(4))
    for nested in (data, Subset(data, [3, 2, 0]), ConcatDataset([data, Subset(data, [1])])):
        rows = list(range(len(nested)))[::-1]
        for fast, slow in zip(nested.batch(rows), default_collate([nested[i] for i in rows]), strict=True):
            np.testing.assert_array_equal(fast.numpy(), slow.numpy(), strict=True)


def test_who_changes_samples_changes_batches():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * x for x in super().__getitem__(index))

    class Negative(Subset):
        def __getitem__(self, index):
            return -super().__getitem__(index)[0]

    class Through(TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] + 1

        def batch(self, indices):
            return super().batch(indices)[0] + 1

    class Mixed(Doubled, Through):
        pass

    assert Through(np.arange(4)).batch([1, 3]).tolist() == [2, 4]
    assert Through.batch is not Dataset.batch is Mixed.batch
    data = Doubled(np.arange(4))
    assert data.batch([1, 3])[0].tolist() == [2, 6]
    assert Subset(data, [1, 3]).batch([1])[0].tolist() == [6]
    assert Negative(data, [1, 3]).batch([0, 1]).tolist() == [-2, -6]
    (batch,) = DataLoader(Negative(data, [1, 3]), 2)
    assert batch.tolist() == [-2, -6]


def test_concat_and_plus():
    data = Subset("abc", [0, 1, 2]) + Subset("de", [0, 1]) + ""
    assert [data[i] for i in range(5)] == list("abcde")
    assert [data[i] for i in range(-5, 0)] == list("abcde")
    assert len(data) == 5


@given(st.lists(st.integers(0, 5), min_size=1), st.data())
def test_concat_is_the_concatenation(sizes, data):
    whole = list(range(sum(sizes)))
    ends = np.cumsum(sizes).tolist()
    parts = [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    joined = ConcatDataset(parts)
    assert [joined[i] for i in range(len(joined))] == whole


@given(st.integers(0, 40), st.lists(st.integers(0, 10), min_size=1, max_size=5))
def test_random_split_by_lengths_is_a_partition(extra, lengths):
    lengths = [*lengths, extra]
    parts = random_split(range(sum(lengths)), lengths, Generator(0))
    assert [len(part) for part in parts] == lengths
    assert sorted(i for part in parts for i in part.indices) == list(range(sum(lengths)))


def test_random_split_follows_the_generator():
    split = [[list(part.indices) for part in random_split(range(9), [0.5, 0.5], Generator(seed))] for seed in (1, 1, 2)]
    assert split[0] == split[1] != split[2]
    assert [len(part) for part in split[0]] == [5, 4]


def test_lengths_may_be_numpys():
    for lengths in (np.array([2, 1]), [np.int32(2), 1], np.array([0.6, 0.4]), (2, 1)):
        assert [len(part) for part in random_split("abc", lengths)] == [2, 1]


def test_split_sizes_are_pytorchs():
    torch = pytest.importorskip("torch")
    for n in range(10, 22):
        for fractions in ([0.5, 0.5], [0.7, 0.2, 0.1], [1 / 3] * 3, [1.0]):
            ours = [len(part) for part in random_split(range(n), fractions)]
            assert ours == [len(part) for part in torch.utils.data.random_split(range(n), fractions)]


def test_what_is_not_defined_says_so():
    for call in (lambda: Dataset()[0], lambda: len(Dataset()), lambda: iter(IterableDataset())):
        with pytest.raises(NotImplementedError, match="must define __"):
            call()


BAD_DATASETS = {
    "no tensors": (lambda: TensorDataset(), ValueError, "at least one tensor"),
    "lengths differ": (
        lambda: TensorDataset(np.zeros(3), np.zeros(2)),
        ValueError,
        r"equal lengths .* \[\(3,\), \(2,\)\]",
    ),
    "a number": (lambda: TensorDataset(3), ValueError, "equal lengths"),
    "strings": (lambda: TensorDataset(["a"]), TypeError, "expected numbers"),
    "row outside": (lambda: TensorDataset(np.zeros(3)).batch([0, 3]), IndexError, "3"),
    "row 1.5": (lambda: TensorDataset(np.zeros(3)).batch([1.5]), IndexError, "integer"),
    "subset outside": (lambda: Subset("ab", [0, 2]), IndexError, "index 2 at position 1 .* 2 samples"),
    "subset of floats": (lambda: Subset("ab", [0.5]), TypeError, "cannot be interpreted as an integer"),
    "concat of none": (lambda: ConcatDataset([]), ValueError, "at least one"),
    "concat of a stream": (
        lambda: ConcatDataset(["a", iter("b")]),
        TypeError,
        "data set 1 is a str_\\w+, which has no",
    ),
    "concat outside": (lambda: ConcatDataset(["ab"])[2], IndexError, "index 2 is outside the 2 samples"),
    "split sum": (lambda: random_split("abc", [1, 1]), ValueError, "add up to 2, expected 3"),
    "split fractions": (lambda: random_split("abc", [0.5, 0.4]), ValueError, "expected 1"),
    "split negative": (lambda: random_split("abc", [4, -1]), ValueError, "at least 0"),
    "split into none": (lambda: random_split("abc", []), ValueError, "at least 0"),
    "split nan": (lambda: random_split("abc", [float("nan"), 1.0]), ValueError, "at least 0"),
}


@pytest.mark.parametrize("name", BAD_DATASETS)
def test_bad_data_sets(name, raises):
    call, kind, message = BAD_DATASETS[name]
    with raises(kind, match=message):
        call()


# ------------------------------------------------------------------------------------------------ collate
Point = namedtuple("Point", "x y")


def check(got, expected):
    if isinstance(expected, fw.Tensor):
        assert type(got) is fw.Tensor
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.numpy(), expected.numpy(), strict=True)
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            check(got[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(got) is type(expected)
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            check(one, other)
    else:
        assert got == expected


f64 = np.arange(3.0)
COLLATED = {
    "floats": ([1.0, 2.0], fw.Tensor([1.0, 2.0])),
    "ints": ([1, 2], fw.Tensor([1, 2])),
    "ints and floats": ([1, 2.5], fw.Tensor([1.0, 2.5])),
    "bools": ([True, False], fw.Tensor([True, False])),
    "NumPy numbers": ([np.float64(1), np.float64(2)], fw.Tensor(np.array([1.0, 2.0]))),
    "strings": (["a", "bc"], ["a", "bc"]),
    "bytes": ([b"a", b"bc"], [b"a", b"bc"]),
    "arrays": ([f64, f64 + 1], fw.Tensor(np.stack([f64, f64 + 1]))),
    "0-d arrays": ([np.array(1, np.int8)], fw.Tensor(np.array([1], np.int8))),
    "tensors": ([fw.Tensor([1.0]), fw.Tensor([2.0])], fw.Tensor([[1.0], [2.0]])),
    "tensors and arrays": ([fw.Tensor(f64), f64], fw.Tensor(np.stack([f64, f64]))),
    "tuples": ([(1, "a"), (2, "b")], (fw.Tensor([1, 2]), ["a", "b"])),
    "lists": ([[1, 2.0], [3, 4.0]], [fw.Tensor([1, 3]), fw.Tensor([2.0, 4.0])]),
    "named tuples": ([Point(1, 2), Point(3, 4)], Point(fw.Tensor([1, 3]), fw.Tensor([2, 4]))),
    "dicts": ([{"a": 1, "b": "x"}, {"b": "y", "a": 2}], {"a": fw.Tensor([1, 2]), "b": ["x", "y"]}),
    "nested": ([{"a": (1, [2.0])}], {"a": (fw.Tensor([1]), [fw.Tensor([2.0])])}),
    "empty tuples": ([(), ()], ()),
}


@pytest.mark.parametrize("name", COLLATED)
def test_default_collate(name):
    batch, expected = COLLATED[name]
    check(default_collate(batch), expected)


def test_collating_keeps_the_device(device):
    rows = [fw.asarray([1.0, 2.0], device=device), fw.asarray([3.0, 4.0], device=device)]
    got = default_collate(rows)
    assert got.device == rows[0].device
    padded, lengths = pad_collate(rows)
    assert padded.device == lengths.device == rows[0].device


PADDED = {
    "lists": ([[1, 2], [3]], (fw.Tensor([[1, 2], [3, 0]]), fw.Tensor([2, 1]))),
    "floats": ([[1.0], [2, 3]], (fw.Tensor([[1.0, 0.0], [2.0, 3.0]]), fw.Tensor([1, 2]))),
    "an empty one": ([[], [3]], (fw.Tensor([[0], [3]]), fw.Tensor([0, 1]))),
    "all empty": ([[], []], (fw.zeros((2, 0)), fw.Tensor([0, 0]))),
    "bools": ([[True], [True, True]], (fw.Tensor([[True, False], [True, True]]), fw.Tensor([1, 2]))),
    "arrays of two axes": (
        [np.ones((2, 2)), np.ones((1, 2))],
        (fw.Tensor(np.array([[[1.0, 1], [1, 1]], [[1, 1], [0, 0]]])), fw.Tensor([2, 1])),
    ),
    "an empty list among vectors": (
        [np.zeros((0, 2)), np.ones((1, 2))],
        (fw.Tensor(np.array([[[0.0, 0]], [[1, 1]]])), fw.Tensor([0, 1])),
    ),
    "tensors": ([fw.Tensor([1.0]), fw.Tensor([2.0, 3.0])], (fw.Tensor([[1.0, 0.0], [2.0, 3.0]]), fw.Tensor([1, 2]))),
    "with labels": ([([5, 6], 0), ([7], 1)], ((fw.Tensor([[5, 6], [7, 0]]), fw.Tensor([2, 1])), fw.Tensor([0, 1]))),
    "in dicts": ([{"t": [5], "s": "a"}], {"t": (fw.Tensor([[5]]), fw.Tensor([1])), "s": ["a"]}),
    "numbers": ([1, 2], fw.Tensor([1, 2])),
    "0-d arrays": ([np.array(1.0)], fw.Tensor(np.array([1.0]))),
}


@pytest.mark.parametrize("name", PADDED)
def test_pad_collate(name):
    batch, expected = PADDED[name]
    check(pad_collate(batch), expected)


def test_sequences_in_bfloat16_are_padded():
    pytest.importorskip("ml_dtypes")
    padded, _ = pad_collate([fw.ones(1, dtype="bfloat16"), fw.ones(2, dtype="bfloat16")])
    assert padded.dtype == fw.bfloat16
    assert padded.to("float32").tolist() == [[1, 0], [1, 1]]


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), min_size=1, max_size=5), st.integers(-3, 3))
def test_what_is_padded_is_found_again(sequences, value):
    padded, lengths = pad_collate(sequences, padding_value=value)
    assert [row[:n] for row, n in zip(padded.tolist(), lengths.tolist(), strict=True)] == sequences
    assert all(x == value for row, n in zip(padded.tolist(), lengths.tolist(), strict=True) for x in row[n:])


def test_default_collate_is_pytorchs():
    torch = pytest.importorskip("torch")
    batch = [(np.arange(3.0) + i, {"a": i, "b": "s"}) for i in range(4)]
    ours, theirs = default_collate(batch), torch.utils.data.default_collate(batch)
    np.testing.assert_array_equal(ours[0].numpy(), theirs[0].numpy(), strict=True)
    np.testing.assert_array_equal(ours[1]["a"].numpy(), theirs[1]["a"].numpy(), strict=True)
    assert ours[1]["b"] == theirs[1]["b"]


def test_default_convert():
    check(
        default_convert((np.ones(2), {"a": [np.float64(1), "s"]})),
        (fw.Tensor(np.ones(2)), {"a": [fw.Tensor(np.float64(1)), "s"]}),
    )


BAD_BATCHES = {
    "empty": (default_collate, [], ValueError, "the batch is empty"),
    "empty, padded": (pad_collate, [], ValueError, "the batch is empty"),
    "shapes": (
        default_collate,
        [np.ones(2), np.ones(3)],
        ValueError,
        r"shape \(2,\), but in sample 1 it is shape \(3,\).*pad_collate",
    ),
    "an array and a number": (default_collate, [np.ones(2), 1], ValueError, "in sample 1 it is a int"),
    "a number and an array": (default_collate, [1, np.ones(2)], TypeError, "sample is a ndarray in sample 1"),
    "None": (
        default_collate,
        [(1, None), (1, 2)],
        TypeError,
        r"sample\[1\] is a NoneType in sample 0; expected tensors",
    ),
    "a late None": (default_collate, [1, None], TypeError, "NoneType in sample 1"),
    "an object": (default_collate, [{"a": {"b": object()}}], TypeError, r"sample\['a'\]\['b'\] is a object"),
    "a set": (default_collate, [{1}], TypeError, "sample is a set"),
    "tuples of other lengths": (
        default_collate,
        [(1, 2), (1,)],
        ValueError,
        "2 entries, but in sample 1 it has 1 entries",
    ),
    "lists of other lengths": (default_collate, [[1, 2], [1]], ValueError, "use pad_collate"),
    "a tuple and a number": (default_collate, [(1, 2), 1], ValueError, "in sample 1 it has a int"),
    "other keys": (default_collate, [{"a": 1}, {"b": 1}], ValueError, r"keys \['a'\], but in sample 1 it is \['b'\]"),
    "a dict and a number": (default_collate, [{"a": 1}, 1], ValueError, "in sample 1 it is int"),
    "ragged": (pad_collate, [[[1, 2], [3]]], ValueError, "sample in sample 0 is a ragged list"),
    "entries of other shapes": (
        pad_collate,
        [np.ones((2, 2)), np.ones((2, 3))],
        ValueError,
        "only the first axis may differ",
    ),
    "words": (pad_collate, [["a", "b"]], TypeError, "expected a sequence of numbers"),
    "a list and a number": (pad_collate, [[1], 1], TypeError, "sample is a int in sample 1"),
    "a list and None": (pad_collate, [([1], 0), (None, 0)], TypeError, r"sample\[0\] is a NoneType in sample 1"),
    "tensors with gradients": (pad_collate, [fw.Tensor([1.0], requires_grad=True)], RuntimeError, "detach"),
}


@pytest.mark.parametrize(
    ("sequence", "value"),
    [([1], 0.5), ([1], float("nan")), (np.array([1], np.uint8), -1), (np.array([1], np.int8), 200), ([True], 2)],
)
def test_padding_that_the_sequences_cannot_hold(sequence, value):
    with pytest.raises(ValueError, match=f"padding_value {value} is not a number that u?[a-z]+[0-9]* holds"):
        pad_collate([sequence, sequence], padding_value=value)


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_bad_batches_are_named(name):
    collate, batch, kind, message = BAD_BATCHES[name]
    with pytest.raises(kind, match=message):
        collate(batch)

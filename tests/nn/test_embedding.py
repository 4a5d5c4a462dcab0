"""Embedding and EmbeddingBag: PyTorch's numbers, sparse gradients, errors that name the index."""

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.autograd import RowSparse
from framework.nn import functional as F

V, D = 7, 3
IDS = np.array([[1, 2, 1], [6, 0, 2]])


def weights(seed=0):
    return np.random.default_rng(seed).normal(size=(V, D))


@pytest.mark.parametrize(
    "options", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}], ids=str
)
def test_lookup_and_gradient_equal_pytorchs(options, device):
    torch = pytest.importorskip("torch")
    w, t = fw.Tensor(weights(), requires_grad=True, device=device), torch.tensor(weights(), requires_grad=True)
    factors = np.random.default_rng(1).normal(size=(*IDS.shape, D))
    ours = F.embedding(fw.asarray(IDS, device=device), w, **options)
    theirs = torch.nn.functional.embedding(torch.tensor(IDS), t, **options)
    np.testing.assert_array_equal(ours.detach().cpu().numpy(), theirs.detach().numpy())
    (ours**2 * fw.asarray(factors, device=device)).sum().backward()
    (theirs**2 * torch.tensor(factors)).sum().backward()
    assert type(w._grad) is RowSparse
    np.testing.assert_allclose(w.grad.cpu().numpy(), t.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}], ids=str)
def test_second_gradients(options):
    w = fw.Tensor(weights(), requires_grad=True)
    h = []
    for lookup in (lambda w: F.embedding(IDS, w, **options), lambda w: w[fw.asarray(IDS)]):
        (g,) = fw.autograd.grad((lookup(w) ** 3).sum(), w, create_graph=True)
        h.append(fw.autograd.grad((g * g).sum(), w)[0].numpy())
    if not options:
        np.testing.assert_allclose(h[0], h[1], rtol=1e-12)
    if "padding_idx" in options:
        assert (h[0][2] == 0).all()
        np.testing.assert_allclose(np.delete(h[0], 2, 0), np.delete(h[1], 2, 0), rtol=1e-12)


def test_shapes_of_indices(device):
    w = fw.asarray(weights(), device=device)
    for shape in ((), (0,), (1,), (2, 0, 3), (2, 1, 2)):
        ids = fw.zeros(shape, dtype="int32", device=device)
        assert F.embedding(ids, w).shape == (*shape, D)


def test_a_lookup_through_other_operations():
    torch = pytest.importorskip("torch")
    a, b = fw.Tensor(weights(), requires_grad=True), torch.tensor(weights(), requires_grad=True)
    F.embedding(IDS, fw.tanh(a)).sum().backward()
    torch.nn.functional.embedding(torch.tensor(IDS), torch.tanh(b)).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)


def test_max_norm_scales_what_is_read_and_leaves_the_table():
    torch = pytest.importorskip("torch")
    w = fw.Tensor(weights(), requires_grad=True)
    before = weights()
    ours = F.embedding(IDS, w, max_norm=1.0)
    theirs = torch.nn.functional.embedding(torch.tensor(IDS), torch.tensor(before.copy()), max_norm=1.0)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(w.detach().numpy(), before)
    assert fw.autograd.gradcheck(lambda w: F.embedding(IDS, w, max_norm=1.0), w)


def test_a_bad_index_is_named(device, raises):
    layer = nn.Embedding(5, 2, device=device)
    with raises(IndexError, match=r"embedding: index 7 at position \(1, 0\) is outside the valid range \[0, 5\)"):
        layer(fw.asarray([[0, 1], [7, 2]], device=device))
    with raises(IndexError, match=r"index -1"):
        layer(fw.asarray([-1], device=device))
    with pytest.raises(TypeError, match=r"float32.*to\('int64'\)"):
        layer(fw.asarray([1.0], device=device))


def test_padding_rows_stay_zero_through_training():
    layer = nn.Embedding(5, 2, padding_idx=-2)
    optimizer = fw.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(np.array([0, 3, 3, 4])) - 1).sum().backward()
        optimizer.step()
    assert (layer.weight.detach().numpy()[3] == 0).all()
    assert (layer(np.array([3])).detach().numpy() == 0).all()


def test_from_pretrained():
    layer = nn.Embedding.from_pretrained(weights())
    assert not layer.weight.requires_grad
    np.testing.assert_array_equal(layer(np.array([4])).numpy()[0], weights()[4])
    assert nn.Embedding.from_pretrained(weights(), freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match=r"\(V, D\)"):
        nn.Embedding.from_pretrained(np.ones(3))


@pytest.mark.parametrize("cls", [nn.Embedding, nn.EmbeddingBag])
def test_layers_look_and_load_as_pytorchs(cls):
    torch = pytest.importorskip("torch")
    ours, theirs = cls(V, D, padding_idx=2), getattr(torch.nn, cls.__name__)(V, D, padding_idx=2)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({name: fw.asarray(p.numpy()) for name, p in theirs.state_dict().items()})
    np.testing.assert_array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Embedding(-1, 2), "Embedding: num_embeddings must be at least 0, got -1"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), r"padding_idx must be in \[-3, 3\), got 3"),
        (lambda: nn.Embedding(3, 2, _weight=np.ones((2, 2))), r"weight must have shape \(3, 2\), got \(2, 2\)"),
        (
            lambda: nn.EmbeddingBag(3, 2, mode="median")(np.array([[1]])),
            "mode must be one of sum, mean, max, got 'median'",
        ),
        (lambda: nn.EmbeddingBag(3, 2)(np.array([1])), "with offsets"),
        (lambda: nn.EmbeddingBag(3, 2)(np.array([1]), np.array([1])), "offsets must be 1-d, begin with 0"),
        (lambda: nn.EmbeddingBag(3, 2)(np.array([[1]]), np.array([0])), "takes no offsets"),
        (lambda: nn.EmbeddingBag(3, 2)(np.array([1]), np.array([], dtype=int)), "offsets must be 1-d, begin with 0"),
        (
            lambda: nn.EmbeddingBag(3, 2, include_last_offset=True)(np.array([1]), np.array([], dtype=int)),
            "at least one offset, got none",
        ),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


BAGS = [
    (np.array([1, 2, 2, 6, 0, 3, 2]), np.array([0, 3, 3, 5])),
    (np.array([[1, 2, 2], [6, 0, 3]]), None),
    (np.array([2, 2]), np.array([0, 1])),
]


@pytest.mark.parametrize(("ids", "offsets"), BAGS, ids=["ragged", "rows", "padded"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2])
def test_bags_equal_pytorchs(ids, offsets, mode, padding_idx, device):
    torch = pytest.importorskip("torch")
    w, t = fw.Tensor(weights(), requires_grad=True, device=device), torch.tensor(weights(), requires_grad=True)
    options = {"mode": mode, "padding_idx": padding_idx}
    to = {"ours": lambda a: None if a is None else fw.asarray(a, device=device)}
    ours = F.embedding_bag(to["ours"](ids), w, to["ours"](offsets), **options)
    torch_offsets = None if offsets is None else torch.tensor(offsets)
    theirs = torch.nn.functional.embedding_bag(torch.tensor(ids), t, torch_offsets, **options)
    np.testing.assert_allclose(ours.detach().cpu().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-15)
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    np.testing.assert_allclose(w.grad.cpu().numpy(), t.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("offsets", [[0], [0, 2], [0, 3, 3, 4], [0, 2, 7]])
def test_the_last_offset_is_where_the_last_bag_ends(mode, offsets, device):
    torch = pytest.importorskip("torch")
    ids, options = BAGS[0][0], {"mode": mode, "include_last_offset": True}
    w, t = fw.Tensor(weights(), requires_grad=True, device=device), torch.tensor(weights(), requires_grad=True)
    ours = F.embedding_bag(fw.asarray(ids, device=device), w, fw.asarray(offsets, device=device), **options)
    # PyTorch reads beyond its memory where numbers follow the last bag.
    theirs = torch.nn.functional.embedding_bag(torch.tensor(ids[: offsets[-1]]), t, torch.tensor(offsets), **options)
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().cpu().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-15)
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    np.testing.assert_allclose(w.grad.cpu().numpy(), t.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_there_may_be_no_bags(device):
    nothing, w = fw.asarray([], dtype="int64", device=device), fw.Tensor(weights(), requires_grad=True, device=device)
    bags = F.embedding_bag(nothing, w, nothing, mode="mean")
    assert bags.shape == (0, w.shape[1])
    bags.sum().backward()
    assert not fw.any(w.grad != 0)


@pytest.mark.parametrize("padding_idx", [1.0, "1", True])
def test_a_padding_row_is_named_by_an_integer(padding_idx):
    for make in (lambda: nn.Embedding(3, 2, padding_idx), lambda: F.embedding([1], fw.ones((3, 2)), padding_idx)):
        with pytest.raises(TypeError, match="padding_idx must be an integer or None"):
            make()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_second_gradients_of_bags(mode):
    w = fw.Tensor(weights(), requires_grad=True)
    ids, offsets = BAGS[0]
    assert fw.autograd.gradgradcheck(lambda w: F.embedding_bag(ids, w, offsets, mode=mode) ** 2, w)


def test_weighted_bags():
    torch = pytest.importorskip("torch")
    ids, offsets = BAGS[0]
    factors = np.random.default_rng(3).normal(size=ids.shape)
    w, t = fw.Tensor(weights(), requires_grad=True), torch.tensor(weights(), requires_grad=True)
    f, s = fw.Tensor(factors, requires_grad=True), torch.tensor(factors, requires_grad=True)
    ours = F.embedding_bag(ids, w, offsets, mode="sum", per_sample_weights=f)
    theirs = torch.nn.functional.embedding_bag(
        torch.tensor(ids), t, torch.tensor(offsets), mode="sum", per_sample_weights=s
    )
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), t.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(f.grad.numpy(), s.grad.numpy(), rtol=1e-12)
    as_list = F.embedding_bag(ids, w, offsets, mode="sum", per_sample_weights=factors.tolist())
    np.testing.assert_array_equal(as_list.detach().numpy(), ours.detach().numpy())


def test_bags_read_rows_that_are_owed():
    results = []
    for dense in (False, True):
        layer = nn.EmbeddingBag.from_pretrained(weights(), freeze=False, mode="sum")
        optimizer = fw.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        for ids in ([[1, 2]], [[3, 3]], [[1, 4]], [[2, 2]]):
            optimizer.zero_grad()
            (layer(np.array(ids)) ** 2).sum().backward()
            assert dense is False or layer.weight.grad is not None
            optimizer.step()
        results.append(layer.weight.detach().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)

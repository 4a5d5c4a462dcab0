"""Einstein summation.

The equation is first brought to a plain form: explicit output, no ellipsis, no letter twice in one operand
and none that occurs in one operand alone. The gradient of each operand is then an Einstein summation itself,
of the upstream gradient with the other operands, and so on to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.diagonals import diagonal
from framework.ops.manipulation import permute_dims
from framework.ops.reduction import sum

Array = Any


@precision("low")
@primitive
def _contract(xp: Any, arrays: Sequence[Array], /, *, equation: str) -> Array:
    return xp.einsum(equation, *arrays)


def _contract_rule(xp: Any, g: Array, i: int, args: Any, equation: str) -> Array:
    left, output = equation.split("->")
    terms = left.split(",")
    wanted, terms[i] = terms[i], output
    return xp.einsum(f"{','.join(terms)}->{wanted}", *args[:i], g, *args[i + 1 :])


_contract.defvjp(_contract_rule)


def einsum(equation: str, /, *operands: Any) -> Any:
    """Sum of products, told by letters for axes, as ``numpy.einsum`` has it.

    Parameters
    ----------
    equation : str
        Such as ``"ij,jk->ik"``. A letter that is not in the output is summed over; a letter twice in one operand
        takes a diagonal; ``...`` stands for axes that broadcast. Without ``->`` the output has, in alphabetical
        order, the letters that occur once.
    *operands : Tensor
        One for each term.

    Raises
    ------
    ValueError
        If the equation is malformed or does not fit the operands.

    Examples
    --------
    >>> import framework as fw
    >>> fw.einsum("ij,j->i", fw.asarray([[1, 2], [3, 4]]), fw.asarray([1, 10]))
    Tensor([21, 43])
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: expected an equation such as 'ij,jk->ik' first, got {type(equation).__name__}")
    plain_equation = _as_plain(equation, len(operands))
    if plain_equation:
        return _contract(operands, equation=plain_equation)
    inputs, output = _parse(equation, tuple([x.ndim for x in operands]))
    plain, terms = [], []
    for i, (x, term) in enumerate(zip(operands, inputs)):
        x, term = _take_diagonals(x, term)
        x, term = _sum_lonely(x, term, output + "".join(inputs[:i] + inputs[i + 1 :]))
        plain.append(x)
        terms.append(term)
    if len(plain) == 1:
        return permute_dims(plain[0], tuple(terms[0].index(letter) for letter in output))
    return _contract(plain, equation=f"{','.join(terms)}->{output}")


@lru_cache(maxsize=256)
def _as_plain(equation: str, count: int) -> str:
    """The equation with its output, if it is in plain form whatever the operands; else nothing."""
    left = equation.replace(" ", "").partition("->")[0]
    terms = left.split(",")
    if "..." in equation or len(terms) != count or count < 2:
        return ""
    inputs, output = _parse(equation, tuple(map(len, terms)))
    return f"{left}->{output}" if _is_plain(inputs, output) else ""


@lru_cache(maxsize=256)
def _parse(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The letters of each operand and of the output, with ellipses written out."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {equation!r} has {len(terms)} terms, but there are {len(ndims)} operands")
    unused = [letter for letter in ascii_letters if letter not in equation]
    dots = [n - len(term.replace("...", "")) if "..." in term else 0 for term, n in zip(terms, ndims)]
    spread = "".join(unused[: max(dots, default=0)])
    inputs = [term.replace("...", spread[len(spread) - n :]) for term, n in zip(terms, dots)]
    if not arrow:
        once = sorted(letter for letter in set(left) - set(",.") if left.count(letter) == 1)
        output = "..." + "".join(once)
    output = output.replace("...", spread)
    _check(equation, inputs, output, ndims)
    return tuple(inputs), output


def _is_plain(inputs: Sequence[str], output: str) -> bool:
    """Whether no letter is twice in one operand, and none in one operand alone."""
    letters = "".join([*inputs, output])
    return all(len(set(term)) == len(term) for term in inputs) and all(letters.count(a) > 1 for a in letters)


def _check(equation: str, inputs: list[str], output: str, ndims: tuple[int, ...]) -> None:
    for term, n in zip(inputs, ndims):
        if len(term) != n or not set(term) <= set(ascii_letters):
            raise ValueError(
                f"einsum: {equation!r} does not fit operands of {ndims} dimensions; expected a letter for each"
            )
    if len(set(output)) != len(output) or not set(output) <= set("".join(inputs)):
        raise ValueError(f"einsum: expected each letter of the output of {equation!r} once there and in some operand")


def _take_diagonals(x: Any, term: str) -> tuple[Any, str]:
    """Replace axes that share a letter by their diagonal."""
    for letter in sorted(set(term)):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"einsum: {letter!r} stands for axes of lengths {x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return x, term


def _sum_lonely(x: Any, term: str, elsewhere: str) -> tuple[Any, str]:
    """Sum over the axes whose letters occur nowhere else."""
    axes = tuple(i for i, letter in enumerate(term) if letter not in elsewhere)
    if not axes:
        return x, term
    return sum(x, axis=axes, dtype=x.dtype), "".join(letter for letter in term if letter in elsewhere)

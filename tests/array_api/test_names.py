"""The namespace has the standard's names, with its signatures."""

from __future__ import annotations

from inspect import Parameter, Signature, signature
from operator import attrgetter

import pytest

import framework as fw
from tests.array_api import standard

FUNCTIONS = standard.functions()
METHODS = standard.methods()


def differences(actual: Signature, expected: Signature) -> list[str]:
    """What a call allowed by ``expected`` would find wrong; further optional parameters are no difference."""
    found = []
    given = list(actual.parameters.values())
    for i, wanted in enumerate(expected.parameters.values()):
        if wanted.kind is Parameter.KEYWORD_ONLY:
            ours = actual.parameters.get(wanted.name)
            if ours is None or ours.kind not in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
                found.append(f"no keyword {wanted.name}")
                continue
        elif i >= len(given) or given[i].kind not in _serves(wanted.kind):
            found.append(f"no positional {wanted.name}")
            continue
        else:
            ours = given[i]
            if wanted.kind is Parameter.POSITIONAL_OR_KEYWORD and ours.name != wanted.name:
                found.append(f"{ours.name} instead of {wanted.name}")
        if wanted.default is not Parameter.empty and ours.default != wanted.default:
            found.append(f"default {ours.default!r} of {wanted.name} instead of {wanted.default!r}")
    extra = [p for p in given if p.name not in expected.parameters and p.default is Parameter.empty]
    return found + [f"required {p.name}" for p in extra if p.kind is Parameter.KEYWORD_ONLY]


def _serves(kind: object) -> tuple[object, ...]:
    """The kinds of parameters that take what one of ``kind`` takes."""
    if kind is Parameter.POSITIONAL_ONLY:
        return Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    return (kind,)


@pytest.mark.parametrize("name", (standard.CONSTANTS + standard.DTYPES).split())
def test_constants_and_dtypes(name):
    assert hasattr(fw, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    assert differences(signature(attrgetter(name)(fw)), standard.signature(FUNCTIONS[name])) == []


@pytest.mark.parametrize("name", standard.lines(standard.INFO))
def test_info(name):
    parameters = standard.lines(standard.INFO)[name]
    assert differences(signature(getattr(fw.__array_namespace_info__(), name)), standard.signature(parameters)) == []


@pytest.mark.parametrize("name", standard.ATTRIBUTES.split())
def test_attributes(name):
    assert hasattr(fw.zeros((2, 2)), name)


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    assert differences(signature(getattr(fw.zeros(2), name)), standard.signature(METHODS[name])) == []


def test_all_of_the_standard_is_listed():
    assert len(FUNCTIONS) == 136 + 25 + 14


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_one_namespace_for_every_backend(device):
    assert fw.zeros(2, device=device).__array_namespace__() is fw
    assert fw.zeros(2, device=device).__array_namespace__(api_version="2025.12") is fw
    with pytest.raises(ValueError, match=r"expected one of 2021\.12, .*2025\.12"):
        fw.zeros(2, device=device).__array_namespace__(api_version="2019.12")


# ---------------------------------------------------------------- the comparison itself
@pytest.mark.parametrize(
    ("ours", "wrong"),
    [
        ("x, /, *, axis=None", []),
        ("x, axis=None, more=1", []),
        ("x, /", ["no keyword axis"]),
        ("*, x, axis=None", ["no positional x"]),
        ("x, /, *, axis=0", ["default 0 of axis instead of None"]),
        ("x, /, *, axis=None, more", ["required more"]),
    ],
)
def test_differences_are_seen(ours, wrong):
    assert differences(standard.signature(ours), standard.signature("x, /, *, axis=None")) == wrong

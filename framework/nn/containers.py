"""Modules that hold other modules: in a row, in a list, in a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, groupby
from typing import Any, Self

from framework.nn.module import Module, _indented


class _Numbered(Module):
    """Submodules under the names ``"0"``, ``"1"``, ...; or, in a Sequential, under chosen names."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _items(self) -> list[tuple[str, Module]]:
        """Names and submodules; a module that stands here twice comes twice."""
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)]

    def _name(self, index: int) -> str:
        names = [name for name, _ in self._items()]
        if not hasattr(index, "__index__"):
            raise TypeError(f"{type(self).__name__}: expected an integer as index here, got {index!r:.60}")
        position = index.__index__()
        if not -len(names) <= position < len(names):
            raise IndexError(f"index {position} is out of range for {len(names)} modules")
        return names[position]

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._items()])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(*self._sliced(index))
        return getattr(self, self._name(index))

    def _sliced(self, index: slice) -> tuple[Any, ...]:
        return ([module for _, module in self._items()[index]],)

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        items = self._items()
        gone = {items[i][0] for i in range(len(items))[index]} if isinstance(index, slice) else {self._name(index)}
        self._refill([item for item in items if item[0] not in gone])

    def _refill(self, items: list[tuple[str, Module]]) -> None:
        """Hold just these, numbered anew where they are numbered."""
        numbered = all(name.isdigit() for name, _ in self._items())
        for name, _ in self._items():
            delattr(self, name)
        for position, (name, module) in enumerate(items):
            self.register_module(str(position) if numbered else name, module)

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        return self.extend([module])

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end; returns the container."""
        modules = list(modules)
        for module in modules:
            _check_module(type(self).__name__, module)
        for module in modules:
            self.register_module(self._free_name(), module)
        return self

    def _free_name(self) -> str:
        """The number of modules, or the next one that is no name already, as in a part of a Sequential."""
        return next(name for name in map(str, count(len(self))) if name not in self.__dict__)

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at ``index``."""
        _check_module(type(self).__name__, module)
        items = self._items()
        items.insert(index, (self._free_name(), module))
        self._refill(items)

    def pop(self, index: int = -1) -> Module:
        """Take a module out and return it."""
        module = self[index]
        del self[index]
        return module  # type: ignore[no-any-return]


def _check_module(where: str, module: Any) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"{where} expects nn.Module instances, got {type(module).__name__} {module!r:.60}")


class Sequential(_Numbered):
    """Modules applied one after another.

    Parameters
    ----------
    *args : Module, or one mapping of str to Module
        The modules, numbered, or with the names of the mapping.

    Examples
    --------
    >>> import framework as fw
    >>> model = Sequential(fw.nn.Linear(2, 8), fw.nn.Tanh(), fw.nn.Linear(8, 1))
    >>> model(fw.zeros((4, 2))).shape
    (4, 1)
    >>> model[1:]
    Sequential(
      (1): Tanh()
      (2): Linear(in_features=8, out_features=1, bias=True)
    )
    """

    def __init__(self, *args: Any) -> None:
        named = len(args) == 1 and isinstance(args[0], Mapping)
        super().__init__(() if named else args)
        if named:
            for name, module in args[0].items():
                _check_module(type(self).__name__, module)
                self.register_module(name, module)

    def forward(self, input: Any) -> Any:
        """Send ``input`` through all modules."""
        for module in self.__dict__.values():
            if isinstance(module, Module):
                input = module(input)
        return input

    def _sliced(self, index: slice) -> tuple[Any, ...]:
        return (dict(self._items()[index]),)


class ModuleList(_Numbered):
    """A list of modules whose parameters are registered.

    Parameters
    ----------
    modules : iterable of Module, optional
        What it starts with.

    Examples
    --------
    >>> import framework as fw
    >>> ModuleList([fw.nn.Linear(2, 2) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(modules or ())

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        lines, start = [], 0
        for text, run in groupby(texts):
            n = len(list(run))
            number, times = (f"{start}-{start + n - 1}", f"{n} x ") if n > 1 else (str(start), "")
            lines.append(f"\n  ({number}): {times}{_indented(text)}")
            start += n
        return f"{self._get_name()}({''.join(lines)}{chr(10) if lines else ''})"


class ModuleDict(Module):
    """A dictionary of modules whose parameters are registered.

    Parameters
    ----------
    modules : mapping of str to Module, ModuleDict, or iterable of pairs, optional
        What it starts with.

    Examples
    --------
    >>> import framework as fw
    >>> heads = ModuleDict({"tag": fw.nn.Linear(4, 3), "word": fw.nn.Linear(4, 9)})
    >>> heads["tag"](fw.zeros((2, 4))).shape
    (2, 3)
    """

    def __init__(self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or put them in the place of those with the same keys."""
        pairs = dict(modules.items() if isinstance(modules, Mapping | ModuleDict) else modules)
        for key, module in pairs.items():
            _check_module("ModuleDict", module)
            self._check_name(key, Module)
        for key, module in pairs.items():
            self[key] = module

    def items(self) -> list[tuple[str, Module]]:
        """Keys and modules."""
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)]

    def keys(self) -> list[str]:
        """Keys, in the order in which they were added."""
        return [key for key, _ in self.items()]

    def values(self) -> list[Module]:
        """Modules, in the order in which they were added."""
        return [module for _, module in self.items()]

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for key in self.keys():
            del self[key]

    def __getitem__(self, key: str) -> Module:
        module = self.__dict__.get(key)
        if not isinstance(module, Module):
            raise KeyError(f"ModuleDict has no module {key!r}; it has {', '.join(map(repr, self.keys())) or 'none'}")
        return module

    def __setitem__(self, key: str, module: Module) -> None:
        _check_module("ModuleDict", module)
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

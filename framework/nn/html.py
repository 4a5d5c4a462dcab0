"""Modules as notebooks show them: a tree that can be opened and closed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.nn.module import Module


def module_html(module: Module, name: str = "", is_open: bool = True) -> str:
    """A module and all below it as nested HTML lists."""
    count = sum(p.size for p in module.parameters())
    label = f"{name}: " if name else ""
    extra = module.extra_repr()
    title = html.escape(f"{label}{type(module).__name__}({extra})") + f" <small>{count:,} parameters</small>"
    children = [module_html(child, key, False) for key, child in module.named_children()]
    if not children:
        return f'<div style="font-family:monospace">{title}</div>'
    inside = "".join(f'<div style="margin-left:1.5em">{child}</div>' for child in children)
    state = " open" if is_open else ""
    return f'<details{state} style="font-family:monospace"><summary>{title}</summary>{inside}</details>'

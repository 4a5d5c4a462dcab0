"""Write the tables of calls into docs/interop.md: ``python -m tests.interop.render``."""

from __future__ import annotations

from pathlib import Path

from tests.interop import calls

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
START, END = "<!-- calls: start -->\n", "<!-- calls: end -->\n"

Table = dict[str, tuple[str, ...]]


def size(table: Table) -> int:
    return sum(map(len, table.values()))


def rows(table: Table) -> list[str]:
    return [f"| {group} | {'<br>'.join(f'`{call}`' for call in table[group])} |" for group in table]


def section(title: str, header: str, table: Table) -> list[str]:
    return [f"### {title} ({size(table)})", "", f"| {header} | Calls |", "| --- | --- |", *rows(table), ""]


def tables() -> str:
    """The tables in Markdown."""
    lines = [
        *section("SciPy, with gradients", "Topic", calls.SCIPY),
        *section("SciPy, values only", "Why there is no gradient", calls.SCIPY_VALUES_ONLY),
        *section("SciPy, refused", "Why it raises", calls.SCIPY_REFUSED),
        *section("scikit-learn, with gradients", "Topic", calls.SKLEARN),
        *section("scikit-learn, values only", "Why there is no gradient", calls.SKLEARN_VALUES_ONLY),
        *section("scikit-learn, refused", "Why it raises", calls.SKLEARN_REFUSED),
        "These make arrays of Python numbers, so that they lose precision unless the default dtype is float64: "
        + ", ".join(f"`{call}`" for call in calls.NEED_FLOAT64_DEFAULT)
        + ".",
        "",
        "These mix in arrays of NumPy or go beyond the standard, and do not run on every library: "
        + ", ".join(f"`{call}`" for call in calls.NEED_NUMPY)
        + ".",
        "",
    ]
    return "\n".join(lines)


def rendered(page: str) -> str:
    """The page with the tables as they should be."""
    before, rest = page.split(START)
    return before + START + "\n" + tables() + rest[rest.index(END) :]


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

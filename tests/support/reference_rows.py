"""The rows of the tables of the reference that say what the mapping does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

REFERENCE: Final = Path(__file__).parents[2] / "docs" / "reference"
#: The pages of the mapping, in the order in which a reader meets them.
PAGES: Final = (
    *("reading", "identity", "dates", "identify", "track", "commerce", "pages", "settings"),
    *("mappings", "source"),
)
#: Why a row has no case. JSON cannot hold it, or it says nothing about what an event becomes.
_OF_PYTHON: Final = "values of Python, which no JSON file holds"
_HOW_TO_CHOOSE: Final = "how a mapping or a setting is chosen, not what it does"
WITHOUT_CASES: Final = {
    "reading.md#values: datetime (a naive one is UTC), date": _OF_PYTHON,
    "reading.md#values: Decimal, and other kinds of numbers": _OF_PYTHON,
    "reading.md#values: UUID, subclasses of str, and what has all of its methods, such as a lazy"
    " text of Django's (gettext_lazy)": _OF_PYTHON,
    "reading.md#values: Enum": _OF_PYTHON,
    "reading.md#values: any Mapping": _OF_PYTHON,
    "reading.md#values: any sequence but bytes": _OF_PYTHON,
    "reading.md#values: a lazy value, which says that it is of one of these classes or of JSON's": (
        _OF_PYTHON
    ),
    "settings.md: mappings": "every case of mapped destinations has it",
    "settings.md: nan_as_null": _OF_PYTHON,
    "settings.md: Settings(…)": _HOW_TO_CHOOSE,
    "settings.md: Settings.from_environment": _HOW_TO_CHOOSE,
    "settings.md: --settings FILE of the command line": _HOW_TO_CHOOSE,
    "mappings.md: Settings(mappings=[…]), or mappings in a file of settings": _HOW_TO_CHOOSE,
    "mappings.md: Destination(settings, translator=MappedTranslator(…))": _HOW_TO_CHOOSE,
    "mappings.md: --mappings FILE": _HOW_TO_CHOOSE,
}
_CELL: Final = re.compile(r"(?<!\\)\|")


@attrs.frozen
class Row:
    """A row of a table: where it stands, and its first cells as plain text."""

    page: str
    #: The heading that it stands under, as links have it; empty before the first one.
    section: str
    cells: tuple[str, ...]
    #: How many of the cells tell it from the others of its section.
    width: int = 1

    @property
    def id(self) -> str:
        """Its name in the ``rows`` of cases: ``dates.md#in-datafields: 2023``."""
        return f"{self.place}: {self.name}"

    @property
    def place(self) -> str:
        """The page and section, as a link has it."""
        return f"{self.page}.md#{self.section}" if self.section else f"{self.page}.md"

    @property
    def name(self) -> str:
        """The cells that tell it from the others of its section."""
        return " | ".join(self.cells[: self.width])


def list_rows() -> list[Row]:
    """Return the rows of all tables of the mapping's pages, without those that are headings."""
    rows = [row for page in PAGES for row in _read_page(page)]
    for width in (2, 3):
        ids = [row.id for row in rows]
        rows = [attrs.evolve(row, width=width) if ids.count(row.id) > 1 else row for row in rows]
    return rows


def _read_page(page: str) -> list[Row]:
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    rows, section = [], ""
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("##"):
            section = slug(line.lstrip("# "))
        is_ruler = line.startswith("|--") or below.startswith("|--")
        if line.startswith("|") and not is_ruler:
            cells = tuple(plain(cell) for cell in _CELL.split(line)[1:-1])
            rows.append(Row(page, section, cells if cells[0] else cells[1:]))
    return rows


def slug(heading: str) -> str:
    """Return a heading as links have it."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def plain(cell: str) -> str:
    """Return a cell without its markup."""
    unlinked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell.strip())
    return unlinked.replace("`", "").replace("\\|", "|").replace("**", "").strip()

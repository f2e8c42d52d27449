"""What `ptrctl COMMAND --help` prints: names beside what they mean, in two columns.

Typer's own page has a column each for long names, short names, opposites and types. On the 80
columns of most remote sessions that leaves twenty for the words, and cuts long names off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperCommand

from ptrctl.terminal import console

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

WIDEST = 100
"""Longer lines are hard to read."""
WIDEST_NAMES = 24
"""Longer names stand above their words."""
NARROW = 60
"""Below this width all do."""
INDENT = 4
"""How far words then stand to the right of their names."""

_VALUES = {
    "str": "TEXT",
    "list[str]": "TEXT",
    "path": "PATH",
    "list[path]": "PATH",
    "int": "N",
    "int range": "N",
    "integer": "N",
    "integer range": "N",
    "float": "X",
    "float range": "X",
}
"""Types, in the words of Typer's versions, to what stands for a value."""
_NAMES = re.compile(r"(?P<names>((, | / )?--?[\w-]+)+|[\w-]+) ?(?P<value>.*)")
_EXTRAS = re.compile(r"  \\?\[(.*)\]$", re.DOTALL)
"""Default, range and environment variable, as they follow the words; some versions escape them."""
_PLAINLY = (
    (re.compile(r"default: \((.*)\)(?=;|$)"), r"default: \1"),
    (re.compile(r"([-\d.]+)<=x<=([-\d.]+)"), r"\1 to \2"),
    (re.compile(r"x>=([-\d.]+)"), r"at least \1"),
)


class ReadableCommand(TyperCommand):
    """A command whose help can be read on 80 columns."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page on stdout."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.text import Text

        out = console.results()
        width = min(out.width, WIDEST)
        page: list[RenderableType] = []
        for paragraph in (self.get_usage(ctx), *(self.help or "").split("\n\n")):
            page.append(Padding(Text(" ".join(paragraph.split())), (1, 1, 0, 1)))
        page.append("")
        sections = _sections(self.get_params(ctx), ctx)
        every = [names for rows in sections.values() for names, _ in rows]
        beside = max((len(names) for names in every if len(names) <= WIDEST_NAMES), default=0)
        for title, rows in sections.items():
            lines = (
                line
                for names, words in rows
                for line in _row(names, words, beside if width >= NARROW else 0)
            )
            page.append(
                Panel(
                    Group(*lines), title=title, title_align="left", border_style="dim", width=width
                )
            )
        out.print(Group(*page), width=width)


def _sections(params: Iterable[Any], ctx: Any) -> dict[str, list[tuple[Text, Text]]]:
    """Title to (names, words) of each parameter; what has no title of its own comes first."""
    sections: dict[str, list[tuple[Text, Text]]] = {"Arguments": [], "Options": []}
    for param in params:
        record = param.get_help_record(ctx)
        if record is None:  # Hidden.
            continue
        kind = "Arguments" if isinstance(param, TyperArgument) else "Options"
        title = getattr(param, "rich_help_panel", None) or kind
        sections.setdefault(title, []).append((_styled(_in_short(record[0])), _words(record[1])))
    return {title: rows for title, rows in sections.items() if rows}


def _in_short(described: str) -> str:
    """ "-n, --trials N" from "-n, --trials <int range>" or, by older versions of Typer,
    "-n, --trials INTEGER RANGE"."""
    found = _NAMES.fullmatch(described)
    if not found or not found["value"]:
        return described
    value = re.sub(r"^:?[<[{](.*)[]>}]$", r"\1", found["value"])
    if value.lower() in _VALUES:
        value = _VALUES[value.lower()] if described.startswith("-") else ""
    return f"{found['names']} {value}".rstrip()


def _styled(names: str) -> Text:
    from rich.text import Text

    text = Text(names)
    text.highlight_regex(r"(?<![\w-])--?[a-z][\w-]*", "bold cyan")
    return text


def _words(words: str) -> Text:
    from rich.text import Text

    extras = _EXTRAS.search(words)
    text = Text(words[: extras.start()] if extras else words)
    if extras:
        said = extras[1]
        for pattern, replacement in _PLAINLY:
            said = pattern.sub(replacement, said)
        text.append(f" [{said}]", "dim")
    return text


def _row(names: Text, words: Text, beside: int) -> list[RenderableType]:
    """A name and its words: in two columns, or the words below where the names are too long."""
    from rich.padding import Padding
    from rich.table import Table

    if len(names) > beside:
        return [names, Padding(words, (0, 0, 0, beside + 2 if beside else INDENT))]
    row = Table.grid(padding=(0, 2, 0, 0), expand=True)
    row.add_column(width=beside)
    row.add_column(ratio=1)
    row.add_row(names, words)
    return [row]

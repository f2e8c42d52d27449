"""Settings of arms and cameras: frozen dataclasses, filled from a profile's tables.

Each field is `str`, `int`, `float` or `bool` (or that `| None`) and has `setting(default, help)`
as its default, from which the wizard's questions and the profile's comments come.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from recordings.errors import UsageError

T = TypeVar("T")

_WORDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}


def setting(default: Any, help: str) -> Any:
    """A field of a settings dataclass, with a sentence that explains it."""
    return dataclasses.field(default=default, metadata={"help": help})


def setting_helps(kind: type[Any]) -> dict[str, str]:
    """Field name to its sentence, in order."""
    return {field.name: str(field.metadata.get("help", "")) for field in dataclasses.fields(kind)}


def build_settings(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """`kind` from a table of a profile.

    Args:
        kind: A settings dataclass.
        values: Key to value.
        where: The table's name, for messages ("robot.options").

    Raises:
        UsageError: An unknown key, a wrong type, or a value that the dataclass refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    typed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            raise UsageError(
                f"`{where}.{key}` is not known.",
                f"Known keys: {', '.join(fields) or 'none'}.",
                f"Did you mean `{near[0]}`?" if near else "Remove that line of ptrctl.toml.",
            )
        typed[key] = _typed(value, str(fields[key].type), f"{where}.{key}")
    try:
        return kind(**typed)
    except ValueError as problem:
        raise UsageError(
            f"`{where}`: {problem}.", "", "Correct ptrctl.toml, or run `ptrctl setup` again."
        ) from problem


def _typed(value: Any, annotation: str, key: str) -> Any:
    kind = annotation.split("|", maxsplit=1)[0].strip()
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "float" and number:
        return float(value)
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value
    raise UsageError(
        f"`{key}` is {value!r}.",
        f"It must be {_WORDS[kind]}.",
        "Correct that line of ptrctl.toml, or run `ptrctl setup` again.",
    )

"""Settings of arms and cameras: frozen dataclasses, filled from a profile's tables.

Each field is `str`, `int`, `float` or `bool` (or that `| None`) and has `setting(default, help)`
as its default, from which the wizard's questions and the profile's comments come.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from recordings.errors import UsageError, nearest

T = TypeVar("T")

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
}


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
        where: The table's name ("robot.options"), or where they were typed, for messages.

    Raises:
        UsageError: An unknown key, a wrong type, or a value that the dataclass refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    typed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            near = nearest(key, fields)
            raise UsageError(
                f"`{_called(key, where)}` is not known.",
                f"Known keys: {', '.join(fields) or 'none'}.",
                f"Did you mean `{near[0]}`?" if near else f"Leave {_what(where)} out.",
            )
        typed[key] = _checked(value, str(fields[key].type), key, where)
    try:
        return kind(**typed)
    except ValueError as problem:
        raise UsageError(f"`{where}`: {problem}.", "", _correct(where)) from problem


def parse_settings(kind: type[Any], texts: Sequence[str], where: str) -> dict[str, Any]:
    """Texts such as "baud_rate=57600" to values of the types that a settings dataclass has.

    Args:
        kind: The settings dataclass.
        texts: Each a key, "=" and a value; of a key that comes twice the last counts.
        where: Where they were typed, for messages ("--option", "settings").

    Raises:
        UsageError: A text is none of these, the key is unknown, or the value does not fit.
    """
    types = {field.name: _kind_of(str(field.type)) for field in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                f"`{_typed_as(where)}{text}` is no KEY=VALUE.",
                f"Known keys: {', '.join(types) or 'none'}.",
                f"Write it as `{_typed_as(where)}{next(iter(types), 'key')}=...`.",
            )
        values[key] = _read(value.strip(), types.get(key, "str"))
    build_settings(kind, values, where)
    return values


def _read(text: str, kind: str) -> Any:
    """What a text stands for, or the text itself, which `build_settings` then refuses."""
    if kind == "bool" and text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    try:
        return {"int": int, "float": float}.get(kind, str)(text)
    except ValueError:
        return text


def _kind_of(annotation: str) -> str:
    return annotation.split("|", maxsplit=1)[0].strip()


def _checked(value: Any, annotation: str, key: str, where: str) -> Any:
    kind = _kind_of(annotation)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "float" and number and math.isfinite(value):
        return float(value)
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str):
        return value
    raise UsageError(
        f"`{_called(key, where)}` is {value!r}.",
        f"It must be {_WORDS[kind]}.",
        _correct(where),
    )


def _is_table(where: str) -> bool:
    return "." in where and not where.startswith("--")


def _typed_as(where: str) -> str:
    """What stands before a setting where it is typed."""
    if not where.startswith("--"):
        return ""
    # In "--camera wrist=uvc,device=0" the shell would end the option at a space.
    return where if where.endswith(",") else f"{where} "


def _called(key: str, where: str) -> str:
    return f"{where}.{key}" if _is_table(where) else key


def _what(where: str) -> str:
    return "that line of ptrctl.toml" if _is_table(where) else f"it in `{where}`"


def _correct(where: str) -> str:
    if _is_table(where):
        return "Correct that line of ptrctl.toml, or run `ptrctl setup` again."
    return f"Correct it in `{where}`."

"""What the buttons of a device do: a text of settings, and the edges of presses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hardware.teleoperator import Button

CLUTCH = "clutch"
"""The use of a button that must be held for the arm to move."""


@dataclass(frozen=True)
class ButtonMap:
    """Number of a button to what it does.

    Args:
        uses: A press asks for all of these; whoever listens takes the first that makes sense at
            that moment ("start,stop").
        clutch: Number of the button that must be held; None for no clutch.
    """

    uses: Mapping[int, tuple[Button, ...]]
    clutch: int | None

    @classmethod
    def parse(cls, text: str) -> ButtonMap:
        """From "0=gripper 5=clutch 7=start,stop".

        Raises:
            ValueError: A word is not of that form, with what is allowed.
        """
        uses: dict[int, tuple[Button, ...]] = {}
        clutch = None
        for word in text.split():
            number, _, names = word.partition("=")
            if not number.isdecimal() or not names:
                raise ValueError(f"`{word}` is not a button and its use, such as `0=gripper`")
            if int(number) in uses or int(number) == clutch:
                raise ValueError(f"the button {number} has two entries; join the uses by a comma")
            if names == CLUTCH:
                if clutch is not None:
                    raise ValueError("there can be only one clutch")
                clutch = int(number)
            else:
                uses[int(number)] = tuple(_button(name) for name in names.split(","))
        return cls(uses, clutch)


def _button(name: str) -> Button:
    try:
        return Button(name)
    except ValueError:
        known = ", ".join([CLUTCH, *(button.value for button in Button)])
        raise ValueError(f"`{name}` is no use of a button; known: {known}") from None


class ButtonPanel:
    """The buttons of a device as they are pressed and released."""

    def __init__(self, buttons: ButtonMap) -> None:
        self._map = buttons
        self._down: set[int] = set()
        self._pressed: list[Button] = []
        self._clutch_released = False

    def change(self, number: int, down: bool) -> None:
        """A button went down or up; repeated news changes nothing."""
        if down and number not in self._down:
            self._down.add(number)
            self._pressed += self._map.uses.get(number, ())
        elif not down:
            self._down.discard(number)
            self._clutch_released |= number == self._map.clutch

    def take(self) -> tuple[bool, tuple[Button, ...]]:
        """Whether the clutch is held and was all the time, and what was pressed, since the last
        call."""
        clutch = self._map.clutch
        engaged = clutch is None or (clutch in self._down and not self._clutch_released)
        pressed = tuple(self._pressed)
        self._pressed.clear()
        self._clutch_released = False
        return engaged, pressed

    def release_all(self) -> None:
        """Every button is up, and nothing waits."""
        self._down.clear()
        self._pressed.clear()
        self._clutch_released = True

    @property
    def words(self) -> str:
        """How to engage, for the panel."""
        clutch = self._map.clutch
        return "" if clutch is None else f"hold button {clutch}"

"""A camera's live picture in the terminal, so that the operator sees which camera is which."""

from __future__ import annotations

import threading
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hardware.camera import Camera
from hardware.registry import CellRequest, make_camera
from ptrctl.operator.interrupts import Interrupts
from ptrctl.terminal import console
from ptrctl.terminal.halfblocks import HalfBlocks
from ptrctl.terminal.keys import KeySource, TerminalKeys
from recordings.errors import PtrctlError, RobotError
from recordings.records import ImageArray

PICTURE_EVERY_S = 0.2
ENDS = ("enter", "escape", "space", "q")


class _View:
    """What is on the screen: a title, and the newest picture or what is wrong."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._picture: ImageArray | None = None
        self._problem = ""

    def set(self, picture: ImageArray | None, problem: str = "") -> None:
        with self._lock:
            self._picture, self._problem = picture, problem

    def draw(self, columns: int, rows: int) -> RenderableType:
        with self._lock:
            picture, problem = self._picture, self._problem
        heading = Text(self._title, style="bold", no_wrap=True, overflow="ellipsis")
        keys = Text.assemble((" enter ", "bold reverse"), " goes on")
        parts: list[RenderableType] = [heading]
        if picture is not None:
            parts.append(HalfBlocks(picture, columns, rows - 3))
        if problem:
            parts.append(Text(problem, style="yellow"))
        return Group(*parts, keys)


def show_camera(title: str, name: str, values: dict[str, Any], image_size: int) -> bool:
    """Show a camera's picture until the operator presses Enter.

    Args:
        title: Which camera it is.
        name: As in recordings.
        values: Its settings, "kind" among them.
        image_size: Edge of the picture in pixels.

    Returns:
        Whether a picture was seen; what is wrong otherwise was said.

    Raises:
        KeyboardInterrupt: The operator pressed Ctrl-C.
    """
    try:
        camera = make_camera(name, values, CellRequest(task="", image_size=image_size))
        with Interrupts() as interrupts, camera, TerminalKeys() as keys:
            seen = _show(title, camera, keys, interrupts)
            if interrupts.requested:
                raise KeyboardInterrupt
    except PtrctlError as problem:
        console.warn(str(problem))
        return False
    if not seen:
        console.warn(f"{title} gave no picture.")
    return seen


def _show(title: str, camera: Camera, keys: KeySource, interrupts: Interrupts) -> bool:
    view, seen = _View(title), False
    with console.live(whole_screen=True) as screen:
        screen.show(view.draw)
        while not interrupts.requested:
            try:
                view.set(camera.read().image)
                seen = True
            except RobotError as problem:
                view.set(None, str(problem))
            screen.changed()
            if any(key.name in ENDS for key in keys.wait(PICTURE_EVERY_S)):
                break
    return seen

"""A picture in the terminal: two pixels a character cell, drawn with the upper half block."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from recordings.records import ImageArray

_SHADES = " .:-=+*#%@"
"""Dark to bright, for terminals without colour."""


@lru_cache(maxsize=65536)
def _style(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Style:
    return Style(
        color=Color.from_triplet(ColorTriplet(*top)),
        bgcolor=Color.from_triplet(ColorTriplet(*bottom)),
    )


def fit(image: ImageArray, columns: int, rows: int) -> tuple[int, int]:
    """The largest (columns, rows) of cells within the limits that keeps the picture's shape."""
    height, width = image.shape[:2]
    columns = min(columns, max(1, round(rows * 2 * width / height)))
    return columns, min(rows, max(1, round(columns * height / width / 2)))


class HalfBlocks:
    """A Rich renderable that draws a picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        columns, rows: Largest size in character cells; the shape is kept.
    """

    def __init__(self, image: ImageArray, columns: int, rows: int) -> None:
        self.columns, self.rows = fit(image, columns, rows)
        self.image = image

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self.columns, self.columns)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        colour = console.color_system is not None and not console.no_color  # As under NO_COLOR.
        size = (self.columns, self.rows * 2 if colour else self.rows)
        small = np.asarray(Image.fromarray(self.image).resize(size, Image.Resampling.BOX))
        yield from _coloured(small) if colour else _shaded(small)


def _coloured(pixels: ImageArray) -> Iterator[Segment]:
    # Steps of four are below what the eye tells apart, and let styles be used again.
    pixels = np.bitwise_and(pixels, np.uint8(0xFC))
    for top, bottom in zip(pixels[0::2].tolist(), pixels[1::2].tolist(), strict=True):
        for upper, lower in zip(top, bottom, strict=True):
            yield Segment("▀", _style(tuple(upper), tuple(lower)))
        yield Segment.line()


def _shaded(pixels: ImageArray) -> Iterator[Segment]:
    brightness = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    shades = np.minimum((brightness / 256 * len(_SHADES)).astype(int), len(_SHADES) - 1)
    for row in shades.tolist():
        yield Segment("".join(_SHADES[shade] for shade in row))
        yield Segment.line()

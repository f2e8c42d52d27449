"""Runs a command in a pseudo-terminal and saves what its screen shows as a PNG.

    python scripts/terminal_picture.py OUT.png SECONDS -- ptrctl record --task ... --realtime

The command is interrupted (Ctrl-C) once the picture is taken. Needs the `dev` extra.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import matplotlib
import pexpect
import pyte
from PIL import Image, ImageDraw, ImageFont

CELL_W, CELL_H = 9, 18
BACKGROUND, FOREGROUND = "#16181d", "#d7dae0"
NAMED = {
    "default": FOREGROUND,
    "black": "#16181d",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "yellow": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d7dae0",
}


def colour(name: str, fallback: str) -> str:
    """A pyte colour (a name or six hex digits) as PIL wants it."""
    if name == "default":
        return fallback
    return NAMED.get(name.removeprefix("bright"), f"#{name}")


def draw(screen: pyte.Screen) -> Image.Image:
    """The screen's cells; half-blocks are drawn as what they mean, two pixels."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    plain = ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), 15)
    bold = ImageFont.truetype(str(fonts / "DejaVuSansMono-Bold.ttf"), 15)
    used = max((row for row in range(screen.lines) if screen.display[row].strip()), default=0) + 1
    image = Image.new("RGB", (screen.columns * CELL_W + 20, used * CELL_H + 20), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for row in range(used):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            x, y = 10 + column * CELL_W, 10 + row * CELL_H
            ink, paper = colour(cell.fg, FOREGROUND), colour(cell.bg, BACKGROUND)
            if cell.reverse:
                ink, paper = paper, ink
            pen.rectangle((x, y, x + CELL_W - 1, y + CELL_H - 1), fill=paper)
            if cell.data == "▀":
                pen.rectangle((x, y, x + CELL_W - 1, y + CELL_H // 2 - 1), fill=ink)
            elif cell.data.strip():
                pen.text((x, y), cell.data, fill=ink, font=bold if cell.bold else plain)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--columns", type=int, default=112)
    parser.add_argument("--rows", type=int, default=36)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    screen = pyte.Screen(options.columns, options.rows)
    stream = pyte.ByteStream(screen)
    child = pexpect.spawn(
        options.command[0],
        options.command[1:],
        dimensions=(options.rows, options.columns),
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    end = time.monotonic() + options.seconds
    while time.monotonic() < end and child.isalive():
        try:
            stream.feed(child.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            break
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw(screen).save(options.out, optimize=True)
    child.sendintr()
    child.expect(pexpect.EOF, timeout=30)
    print(options.out)


if __name__ == "__main__":
    main()

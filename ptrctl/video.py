"""Videos of trials, small enough to go into a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from hardware.loop import Subscriber
from recordings.records import EpisodeEnd, EpisodeInfo, ImageArray, Observation, Step

VIEW_SIZE = (192, 256)
"""Height and width of pictures for people."""

_SMALLEST_EDGE = 192
"""Pictures for learning are tiny; people see more when a browser need not enlarge them."""

_CODECS = ("libx264", "libvpx-vp9")
"""Both play in every browser; PyAV's wheels bring the first."""


class TrialFilm(Subscriber):
    """Keeps pictures of an episode: before the first step and after each.

    Args:
        view: A picture for people, (height, width) -> (height, width, 3) uint8; without it the
            pictures of the first camera by name are kept.
    """

    def __init__(self, view: Callable[[int, int], ImageArray] | None = None) -> None:
        self.view = view
        self.pictures: list[ImageArray] = []

    def on_begin(self, info: EpisodeInfo) -> None:
        self.pictures = []
        self._look()

    def on_step(self, step: Step) -> None:
        self._look()
        self._keep(step.observation)

    def on_end(self, end: EpisodeEnd) -> None:
        self._keep(end.final_observation)

    def _look(self) -> None:
        if self.view is not None:
            self.pictures.append(self.view(*VIEW_SIZE))

    def _keep(self, observation: Observation | None) -> None:
        if self.view is None and observation is not None and observation.frames:
            self.pictures.append(observation.frames[min(observation.frames)].image)


def write_video(pictures: Sequence[ImageArray], path: Path, rate_hz: float) -> None:
    """Write an MP4 that browsers play; the file appears complete or not at all.

    Args:
        pictures: (H, W, 3) uint8 each, all of one size; at least one.
        path: Ends in ".mp4".
        rate_hz: Pictures a second; the control rate shows the trial in real time.

    Raises:
        OSError: The disk is full or the folder cannot be written; nothing is left behind.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial.mp4")
    height, width = _video_size(pictures[0])
    codec = next(name for name in _CODECS if name in av.codecs_available)
    options = {"preset": "veryfast", "crf": "26"} if codec == "libx264" else {"crf": "36", "b": "0"}
    try:
        with av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream(
                codec, rate=Fraction(rate_hz).limit_denominator(1000), options=options
            )
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            for picture in pictures:
                sized = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(sized), "rgb24")))
            container.mux(stream.encode())
        with temporary.open("rb") as file:
            # A name on the disk without what it stands for would be no film after a power cut.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _video_size(picture: ImageArray) -> tuple[int, int]:
    """Height and width: enlarged to a size that people can see, and even, as the codec wants."""
    height, width = picture.shape[:2]
    scale = max(1.0, _SMALLEST_EDGE / min(height, width))
    return round(height * scale / 2) * 2, round(width * scale / 2) * 2

"""Videos play back what was filmed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ptrctl.video import write_video


@pytest.mark.parametrize(("height", "width"), [(128, 128), (48, 63), (480, 640)])
def test_a_video_holds_every_picture_at_the_control_rate(
    tmp_path: Path, height: int, width: int
) -> None:
    import av

    brightness = (20, 90, 160, 230)
    pictures = [np.full((height, width, 3), value, np.uint8) for value in brightness]
    path = tmp_path / "videos" / "trial.mp4"
    write_video(pictures, path, 5.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert float(stream.average_rate) == pytest.approx(5.0)
    assert len(frames) == len(pictures)
    assert min(frames[0].shape[:2]) >= 192
    for frame, value in zip(frames, brightness, strict=True):
        assert float(frame.mean()) == pytest.approx(value, abs=6)
    assert [p.name for p in path.parent.iterdir()] == ["trial.mp4"]


def test_a_video_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_video([np.zeros((48, 64, 3), np.uint8)], tmp_path / "trial.mp4", 5.0)
    assert list(tmp_path.iterdir()) == []

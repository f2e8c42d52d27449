"""What the settings of all streaming cameras refuse, and how a profile lists them."""

from __future__ import annotations

from typing import Any

import pytest

from hardware.cameras.realsense_settings import RealSenseSettings
from hardware.cameras.uvc_settings import UvcSettings
from hardware.settings import setting_helps


@pytest.mark.parametrize("kind", [RealSenseSettings, UvcSettings])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"width": 0}, "greater than 0"),
        ({"fps": -1}, "greater than 0"),
        ({"warm_up_s": -1.0}, "0 or more"),
        ({"max_age_s": 0.0}, "more than 0"),
    ],
)
def test_what_no_stream_can_be_is_refused(
    kind: type[Any], value: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**value)


def test_which_camera_is_meant_comes_first() -> None:
    assert next(iter(setting_helps(RealSenseSettings))) == "serial"
    assert next(iter(setting_helps(UvcSettings))) == "device"
